"""Slurm by its Python binding, pyslurm, in a helper process: faster than Slurm's commands.

pyslurm holds the interpreter's lock in every call, may end its process when it is imported, and
changes how libraries are loaded; so no notebook's process ever imports it. Whatever the helper does
not do, Slurm's commands do.
"""

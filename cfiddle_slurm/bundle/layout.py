"""Names inside a bundle, a result stream and the guest's work directory.

A module of its own, without imports, since the experiment's process is started for every run.
"""

MANIFEST = "manifest.json"
"""First member of a bundle: what to execute."""
FILES = "files"
"""The experiment's working directory, with the input files."""
MODULES = "modules"
"""Source files of the user's own modules."""
RESULTS = "results"
"""The records of the run, one file per process."""
LONGEST_LINE = 4 << 20
"""Bytes of a record that is a line of JSON, or a part of one; with its end."""
OUTPUTS = "outputs"
"""The output files, in a result stream."""
DONE = "done"
"""Suffix of the empty file that says a process came to its own end."""

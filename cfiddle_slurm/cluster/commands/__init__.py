"""The commands of ``python -m cfiddle_slurm.cluster``; what they do is in the modules beside."""

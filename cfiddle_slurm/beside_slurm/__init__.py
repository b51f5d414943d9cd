"""What root does beside Slurm's daemons, in the containers of the cluster kit."""

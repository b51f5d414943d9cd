"""What stands between students and the daemons of Slurm and munge: see docs/security.md."""

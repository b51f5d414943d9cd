"""Stand up the Docker Swarm behind cfiddle_slurm: images, machines, services, accounts."""

"""What changes a cluster: up, down, update, workers that come and go."""

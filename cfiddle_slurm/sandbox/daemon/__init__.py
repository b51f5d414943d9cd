"""sandboxd: the one process of a worker that may use Docker."""

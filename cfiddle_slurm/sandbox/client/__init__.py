"""The student's side of the sandbox, on a worker. Standard library only."""

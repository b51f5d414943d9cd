"""What a run takes along to the worker."""

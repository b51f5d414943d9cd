"""The machines, however they are reached."""

"""The tar stream in which files travel, and what its manifest says."""

"""How a cluster is: check, status, test."""

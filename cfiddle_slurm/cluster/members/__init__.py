"""The swarm, and which machine is which of its members."""

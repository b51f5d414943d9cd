"""Ports and accounts that the doors, the walls and Slurm's configuration agree on."""

CONTROLLER, WORKER, ACCOUNTING = 6817, 6818, 6819
DAEMONS = frozenset((CONTROLLER, WORKER, ACCOUNTING))
SRUN_PORTS = (45000, 64999)
"""Where an srun waits for its job, first and last: SrunPortRange of slurm.conf. No other program
gets these by chance: the services' net.ipv4.ip_local_port_range ends below."""
FROM_USERS, FROM_CLUSTER = 6801, 6802
"""Where the door waits for what the kernel sends it."""
MUNGE_SOCKET = "/run/munge/munge.socket.2"
"""Where every client of munge looks for it."""
MUNGED_SOCKET = "/run/munged/munge.socket.2"
"""The one behind the door."""

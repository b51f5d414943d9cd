"""The ids of the accounts that the images have, and machines of a cluster must not have given away.

The Dockerfiles make these accounts; who runs as one there owns files on the machines themselves.
"""

CFIDDLE = 7000
"""sandboxd's, and every experiment's."""
MUNGE, MYSQL, DOOR = 7101, 7102, 7103
NAMES = {CFIDDLE: "cfiddle", MUNGE: "munge", MYSQL: "mysql", DOOR: "door"}
RESERVED = frozenset((CFIDDLE, *range(7101, 7110)))
"""What no person's account gets: these ids, and those of accounts to come."""

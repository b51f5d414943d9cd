"""A service's folder gets a disk of its own for a while, which is full."""

FILL = """
set -e
mkdir -p /full && mount -t tmpfs -o size=2m none /full
cp -a {place}/. /full
mount --move /full {place}
dd if=/dev/zero of={place}/large bs=1k 2>/dev/null || true
"""
"""A script for root in the service's view of the files; what is in the folder goes along."""
EMPTY = "umount --lazy {place}"
"""The folder is what it was before."""

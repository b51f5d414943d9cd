"""Families of linux/socket.h beside the plain ones."""

import errno
import os
import socket

PLAIN = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
LAST = 46
KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[int]:
        """The families of which a socket was granted."""
        return [
            family
            for family in range(LAST + 1)
            if family not in PLAIN and any(self._granted(family, kind) for kind in KINDS)
        ]

    def _granted(self, family: int, kind: int) -> bool:
        try:
            one = socket.socket(family, kind, 0)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                print(f"family {family}, kind {kind}: {os.strerror(error.errno or 0)}")
            return False
        one.close()
        return True

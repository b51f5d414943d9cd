"""TCP to whatever might answer. 192.0.2.1 (TEST-NET-1 of RFC 5737) stands for the Internet."""

import errno
import socket

ADDRESSES = (
    "127.0.0.1",
    "127.1.2.3",
    "172.17.0.1",
    "172.18.0.1",
    "10.0.0.1",
    "10.0.1.1",
    "169.254.169.254",
    "192.0.2.1",
)
PORTS = (22, 53, 80, 111, 443, 2375, 2376, 2377, 3306, 6817, 6818, 6819, 7946, 8888)

REFUSED = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.ENETUNREACH)
"""What a sandbox's wall says. Silence is none: the packet has left then, and may arrive."""


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """Where a packet went to, whether or not anybody answered."""
        return [
            f"{address}:{port}"
            for address in ADDRESSES
            for port in PORTS
            if self._leaves(address, port)
        ]

    def _leaves(self, address: str, port: int) -> bool:
        try:
            with socket.socket() as one:
                one.settimeout(0.2)
                one.connect((address, port))
        except OSError as error:
            print(f"{address}:{port}: {error}")
            return error.errno not in REFUSED
        return True

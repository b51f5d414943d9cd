"""UDP, where sending needs no consent of the other side."""

import errno
import socket

ADDRESSES = (
    "172.17.0.1",
    "172.18.0.1",
    "10.0.0.1",
    "10.0.1.1",
    "192.0.2.1",
    "224.0.0.1",
    "224.0.0.251",
    "255.255.255.255",
)
PORTS = (53, 67, 123, 4789, 7946)
LOOPBACK = ("127.0.0.1", "127.0.0.11", "127.0.0.53")
"""Where engines and machines keep their name servers."""

REFUSED = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.ENETUNREACH)
"""What a sandbox's wall says; a buffer that is full, say, is none."""


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What left the sandbox, and where loopback took a question."""
        found = [
            f"{address}:{port}"
            for address in ADDRESSES
            for port in PORTS
            if self._leaves(address, port)
        ]
        return found + [address for address in LOOPBACK if self._takes(address)]

    def _leaves(self, address: str, port: int) -> bool:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                one.sendto(b"x", (address, port))
        except OSError as error:
            print(f"{address}:{port}: {error.strerror}")
            return error.errno not in REFUSED
        return True

    def _takes(self, address: str) -> bool:
        # A question for the root's name servers, RFC 1035.
        question = bytes.fromhex("000101000001000000000000 00 0002 0001")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.settimeout(0.2)
                one.connect((address, 53))
                one.send(question)
                one.recv(512)
        except OSError as error:
            print(f"{address}: {error}")
            # The kernel says that nobody listens there: the datagram was delivered as far as that.
            return error.errno not in REFUSED
        return True

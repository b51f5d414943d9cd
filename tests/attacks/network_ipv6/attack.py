"""The other protocol, which is easily forgotten. 2001:db8:: stands for the Internet (RFC 3849)."""

import socket

LINKS = range(6)
"""0 is none, 1 is loopback in every name space."""
PORTS = (22, 2375, 2377, 3306, 6817, 6818, 6819, 8888)
PLACES = ("::1", "::ffff:127.0.0.1", "::ffff:172.17.0.1", "fe80::1", "fd00::1", "2001:db8::1")
GROUPS = ("ff02::1", "ff02::2", "ff05::2")


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be connected to, and the groups of other links that took a datagram."""
        connected = [
            f"{place} {port} {link}"
            for place in PLACES
            for port in PORTS
            for link in LINKS
            if self._tried(socket.SOCK_STREAM, (place, port, 0, link))
        ]
        return connected + [
            f"{group} {link}"
            for group in GROUPS
            for link in LINKS
            if link != 1 and self._tried(socket.SOCK_DGRAM, (group, 5353, 0, link))
        ]

    def _tried(self, kind: int, place: tuple[str, int, int, int]) -> bool:
        try:
            with socket.socket(socket.AF_INET6, kind) as one:
                one.settimeout(0.2)
                one.connect(place)
                one.send(b"x")
        except OSError as error:
            print(f"{place}: {error}")
            return False
        return True

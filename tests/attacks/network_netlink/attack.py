"""Requests of rtnetlink(7), and the old ones of netdevice(7)."""

import errno
import fcntl
import socket
import struct

REQUEST, ACK, CREATE = 1, 4, 0x400
NEW_LINK, NEW_ADDRESS, NEW_ROUTE, ERROR = 16, 20, 24, 2
SIOCSIFFLAGS, SIOCSIFADDR, SIOCADDRT = 0x8914, 0x8916, 0x890B
UP = 1


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to a multiple of four."""
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def link(kind: bytes) -> bytes:
    """A message for a new interface of a kind."""
    named = attribute(3, b"attack0\0")
    return struct.pack("=BxHiII", 0, 0, 0, UP, UP) + named + attribute(18, attribute(1, kind))


LOOPBACK = 1  # in every name space
HERE, GATEWAY = socket.inet_aton("10.0.1.66"), socket.inet_aton("127.0.0.1")
KINDS = ("dummy", "veth", "bridge", "vxlan")
REQUESTS = {
    **{f"a {kind}": (NEW_LINK, link(kind.encode())) for kind in KINDS},
    "an address": (
        NEW_ADDRESS,
        struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, LOOPBACK) + attribute(2, HERE),
    ),
    "a route": (
        NEW_ROUTE,
        struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)
        + attribute(5, GATEWAY)
        + attribute(4, struct.pack("=i", LOOPBACK)),
    ),
}


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What the kernel did not refuse."""
        found = [what for what, request in REQUESTS.items() if not self._error_of(what, *request)]
        interface = struct.pack("16sH14x", b"lo", UP)
        address = struct.pack("16sH2x4s8x", b"lo", socket.AF_INET, HERE)
        for what, number, data in (
            ("flags", SIOCSIFFLAGS, interface),
            ("an address, the old way", SIOCSIFADDR, address),
            ("a route, the old way", SIOCADDRT, bytes(120)),
        ):
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                    fcntl.ioctl(one, number, data)
            except OSError as error:
                print(f"{what}: {error.strerror}")
            else:
                found.append(what)
        return found

    def _error_of(self, what: str, kind: int, body: bytes) -> int:
        header = struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | CREATE, 1, 0)
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as one:
                one.settimeout(1)
                one.send(header + body)
                answer = one.recv(4096)
        except OSError as error:
            print(f"{what}: {error.strerror}")
            return error.errno or -1
        assert struct.unpack_from("=H", answer, 4)[0] == ERROR
        number = -struct.unpack_from("=i", answer, 16)[0]
        print(f"{what}: {errno.errorcode.get(number, number)}")
        return int(number)

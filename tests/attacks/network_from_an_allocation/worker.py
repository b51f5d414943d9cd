"""In the student's own allocation: whatever may be reached from there."""

import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PORTS = (22, 111, 2049, 2377, 6817, 6818, 6819, 7946, 8888)


def tcp(address: str, port: int) -> None:
    """A connection, from a high port and from a low one."""
    with socket.create_connection((address, port), 2):
        pass


def datagram(address: str, port: int) -> None:
    """A datagram; a refusal comes back at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.connect((address, port))
        each.send(b"x")
        each.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            each.recv(1)


def low_port() -> None:
    """A port below 1024, as the one that NFS takes for root's."""
    with socket.socket() as each:
        each.bind(("", 700))


def raw() -> None:
    """A raw socket."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close()


def ping() -> None:
    """An echo request, for which no right is needed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as each:
        each.sendto(struct.pack("!BBHHH", 8, 0, 0, 1, 1), (sys.argv[1], 0))


def munge() -> None:
    """A credential of the daemons' munge."""
    with socket.socket(socket.AF_UNIX) as each:
        each.connect("/run/munge/munge.socket.2")


def opened_walls() -> None:
    """The walls themselves."""
    done = subprocess.run(["nft", "delete", "table", "inet", "cfiddle"], capture_output=True)
    if done.returncode != 0:
        raise PermissionError(done.stderr.decode().strip()[:80])


def own_namespace() -> None:
    """A user namespace, in which one is root."""
    subprocess.run(["unshare", "--user", "--net", "true"], check=True, capture_output=True)


def ways() -> Iterator[tuple[str, Callable[[], None]]]:
    """All of them, by name."""
    gateway = [line.split()[2] for line in Path("/proc/net/route").read_text().splitlines()
               if line.split()[1] == "00000000"]  # fmt: skip
    machine = socket.inet_ntoa(int(gateway[0], 16).to_bytes(4, "little"))
    for address in (*sys.argv[1:], machine, "127.0.0.1", "192.0.2.1"):
        for port in PORTS:
            yield f"{address}:{port}", lambda a=address, p=port: tcp(a, p)  # type: ignore[misc]
    for address, port in ((machine, 2049), (machine, 4789), ("127.0.0.11", 53), (sys.argv[1], 53)):
        yield f"udp {address}:{port}", lambda a=address, p=port: datagram(a, p)  # type: ignore[misc]
    for way in (low_port, raw, ping, munge, opened_walls, own_namespace):
        yield way.__name__, way


def main() -> None:
    """Try each, and say which was a way."""
    count = 0
    for name, way in ways():
        try:
            way()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: {error}"[:100])
            count += 1
        else:
            print(f"reached {name}")
    print(f"nothing was reached by {count} ways")


if __name__ == "__main__":
    main()

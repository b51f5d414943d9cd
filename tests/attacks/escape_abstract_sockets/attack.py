"""Abstract unix sockets belong to a network namespace, and know no rights."""

import os
import socket

NAMES = (
    "/containerd-shim/moby/shim.sock",
    "/containerd-shim/default/shim.sock",
    "/run/containerd/s/shim",
    "/run/docker.sock",
    "/tmp/dbus",
    "/var/run/dbus/system_bus_socket",
    "/org/kernel/linux/storage/multipathd",
    "/run/systemd/private",
    "/run/cfiddle-slurm/socket/sandboxd.sock",
    "munge",
    "slurmd",
)
PORTS = (22, 53, 111, 2049, 2375, 2376, 2377, 3306, 5000, 6817, 6818, 6819, 7946, 8080, 8888)
HOSTS = ("127.0.0.1", "127.0.0.53", "::1")


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What answered, and sockets that others have open."""
        names = [*NAMES, *(name for name in _listed() if name.startswith("@"))]
        found = [name for name in names if self._answers(socket.AF_UNIX, "\0" + name.lstrip("@"))]
        for host in HOSTS:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            found += [f"{host} {port}" for port in PORTS if self._answers(family, (host, port))]
        return found + _listed()

    def _answers(self, family: int, address: str | tuple[str, int]) -> bool:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as door:
                door.settimeout(0.5)
                door.connect(address)
        except OSError as error:
            print(f"{address!r}: {error}")
            return False
        return True


def _listed() -> list[str]:
    found = []
    for name in ("unix", "tcp", "tcp6", "udp", "raw", "packet", "netlink"):
        try:
            with open(f"/proc/self/net/{name}") as stream:
                lines = stream.read().splitlines()[1:]
        except OSError as error:
            print(f"/proc/net/{name}: {error.strerror}")
            continue
        print(f"/proc/net/{name}: {len(lines)} sockets")
        if name != "netlink":  # the kernel's own
            found += [line.split()[-1] for line in lines]
    print(f"interfaces: {os.listdir('/sys/class/net')}")
    return found

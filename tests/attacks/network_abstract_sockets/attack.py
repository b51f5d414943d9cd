"""Unix sockets of the abstract name space, which no mount hides (unix(7))."""

import socket

NAMES = (
    "/containerd-shim/moby/shim.sock",
    "/org/freedesktop/systemd1/notify",
    "/tmp/.X11-unix/X0",
    "/var/run/docker.sock",
    "/run/munge/munge.socket.2",
    "cfiddle-sandboxd",
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The sockets that the kernel lists here, and those that answered."""
        with open("/proc/net/unix") as table:
            listed = [line.split()[7] for line in table if len(line.split()) > 7][1:]
        return listed + [name for name in {*NAMES, *listed} if self._answers(name)]

    def _answers(self, name: str) -> bool:
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(f"\0{name.removeprefix('@')}")
            except OSError as error:
                print(f"@{name}: {error.strerror}")
                return False
        return True

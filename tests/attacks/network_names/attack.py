"""Names that would tell where to go."""

import socket

SERVICES = ("controller", "database", "accounting", "user", "worker", "sandboxd", "munge")
NAMES = (
    *SERVICES,
    *(f"cfiddle_{name}" for name in SERVICES),
    *(f"tasks.cfiddle_{name}" for name in SERVICES),
    "host.docker.internal",
    "gateway.docker.internal",
    "example.org",
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The names that have an address."""
        return [name for name in NAMES if self._known(name)]

    def _known(self, name: str) -> bool:
        try:
            socket.getaddrinfo(name, 80)
        except OSError as error:
            print(f"{name}: {error.strerror}")
            return False
        return True

"""Looks for doors to the machine's services."""

import os
import socket
import stat

PLACES = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/munge/munge.socket.2",
    "/run/cfiddle-slurm/socket/sandboxd.sock",
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The sockets that could be found or connected to."""
        found = [place for place in PLACES if self._answers(place)]
        for folder, _, names in os.walk("/", onerror=None):
            if folder.startswith(("/proc", "/sys")):
                continue
            for name in names:
                path = os.path.join(folder, name)
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    found.append(path)
        return found

    def _answers(self, place: str) -> bool:
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(place)
            except OSError as error:
                print(f"{place}: {error.strerror}")
                return False
        return True

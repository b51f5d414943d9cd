"""Looks at what the harness has open."""

import fcntl
import os
import stat

OWN_RESULTS = "/work/results/"


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """Descriptors that lead anywhere but to output, nothing, and its own results."""
        found = []
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                target = os.readlink(f"/proc/self/fd/{number}")
            except FileNotFoundError:
                continue  # the one of the list itself
            mode = os.fstat(number).st_mode
            flags = fcntl.fcntl(number, fcntl.F_GETFL)
            ways = self._opens_again(number, target)
            print(f"{number}: {target}, {stat.filemode(mode)}, flags {flags:#o}, again {ways}")
            if not _is_known(number, target):
                found.append(f"{number}: {target}")
            if target.startswith("pipe:") and flags & os.O_ACCMODE != os.O_WRONLY:
                found.append(f"{number}: can be read")
        return found

    def _opens_again(self, number: int, target: str) -> list[str]:
        ways = []
        for name in ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_PATH"):
            try:
                again = os.open(
                    f"/proc/self/fd/{number}", getattr(os, name) | os.O_NONBLOCK | os.O_CLOEXEC
                )
            except OSError as error:
                print(f"{number} by {name}: {error.strerror}")
                continue
            ways.append(name)
            os.close(again)
        return ways


def _is_known(number: int, target: str) -> bool:
    if number == 0:
        return target == "/dev/null"
    if number in (1, 2):
        return target.startswith("pipe:")
    return target.startswith(OWN_RESULTS)

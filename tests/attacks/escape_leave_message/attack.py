"""Two runs one after the other, of the same user, on the same worker where there is but one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attacks.student import Student

PLACES = (
    "/work", "/work/files", "/work/results", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue",
    "/run", "/run/lock", "/home", "/sys/fs/cgroup", "/",
)  # fmt: skip
NAME, KEY, CREATE, SIZE = "message-of-the-last-run", 0x0CF1DD1E, 0o1666, 4096
KERNEL = (
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/ns_last_pid",
)


class Inside:
    """Carried out inside the sandbox."""

    def leave(self) -> list[str]:
        """Where a message could be left."""
        left = []
        for path in (*(f"{place}/{NAME}" for place in PLACES), *KERNEL):
            try:
                Path(path).write_text(NAME)
            except OSError as error:
                print(f"{path}: {error.strerror}")
            else:
                left.append(path)
        return left + _objects(CREATE, os.O_CREAT)

    def find(self) -> list[str]:
        """The messages that are there."""
        found = [place for place in PLACES if os.path.exists(f"{place}/{NAME}")]
        found += [
            name for name in KERNEL if os.path.exists(name) and NAME in Path(name).read_text()
        ]
        return found + _objects(0, 0)


def _objects(flags: int, opening: int) -> list[str]:
    libc = ctypes.CDLL(None)
    queue = f"/{NAME}".encode()
    numbers = {
        "shared memory": libc.shmget(KEY, SIZE if flags else 0, flags),
        "semaphores": libc.semget(KEY, 1 if flags else 0, flags),
        "queue": libc.msgget(KEY, flags),
        "POSIX queue": libc.mq_open(queue, opening | os.O_RDWR, 0o666, None),
    }
    print(numbers)
    return [name for name, number in numbers.items() if number >= 0]


def attack(student: Student) -> list[str]:
    """What the second run found of the first."""
    import cfiddle_slurm

    delegate = cfiddle_slurm.SlurmSandboxDelegate(scheduler="slurm", submit="srun", time_limit=20)
    print(f"left: {delegate.invoke(Inside(), 'leave')}")
    found: list[str] = delegate.invoke(Inside(), "find")
    return found

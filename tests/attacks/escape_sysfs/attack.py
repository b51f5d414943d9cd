"""Tries what is not a device's own, file by file."""

import errno
import os
from collections import Counter
from collections.abc import Iterator

TOPS = ("kernel", "devices/system", "module", "power", "fs", "block", "firmware", "bus", "class")
SECRET = (
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/kernel/security",
    "/sys/kernel/config",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/pstore",
    "/sys/devices/virtual/powercap",
)
MOST = 20_000
"""Of the large tree a part must do, so that the attack is a matter of a second."""


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be opened for writing, and folders that should be empty."""
        found, answers = [], Counter[str]()
        for path in _files():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                answers[errno.errorcode[error.errno or 0]] += 1
            else:
                found.append(path)
        print(f"{len(found)} opened to write, others: {dict(answers)}")
        return found + [folder for folder in SECRET if _holds_something(folder)]


def _files() -> Iterator[str]:
    count = 0
    for top in TOPS:
        for folder, _, names in os.walk(f"/sys/{top}"):
            for name in names:
                yield os.path.join(folder, name)
                count += 1
                if count == MOST:
                    return


def _holds_something(folder: str) -> bool:
    try:
        there = os.listdir(folder)
    except OSError as error:
        print(f"{folder}: {error.strerror}")
        return False
    print(f"{folder}: {len(there)} entries")
    return bool(there)

"""Tries all sysctls, not some."""

import errno
import os
from collections import Counter
from collections.abc import Iterator

TOP = "/proc/sys"


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be opened for writing."""
        found, answers = [], Counter[str]()
        for path in _files():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                answers[errno.errorcode[error.errno or 0]] += 1
            else:
                found.append(path)
        print(f"{len(found)} opened to write, others: {dict(answers)}")
        return found


def _files() -> Iterator[str]:
    for folder, _, names in os.walk(TOP):
        yield from (os.path.join(folder, name) for name in names)

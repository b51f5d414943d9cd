"""Tries every file of every control group."""

import errno
import os
from collections import Counter
from collections.abc import Iterator

TOP = "/sys/fs/cgroup"
NEW = ("", "/memory", "/pids", "/cpuset", "/freezer", "/devices", "/rdma", "/unified", "/systemd")


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be opened for writing, and groups that could be made."""
        found, answers = [], Counter[str]()
        for path in _files():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                answers[errno.errorcode[error.errno or 0]] += 1
            else:
                found.append(path)
        print(f"{len(found)} opened to write, others: {dict(answers)}")
        return found + [name for name in NEW if _makes(name)]


def _files() -> Iterator[str]:
    for folder, _, names in os.walk(TOP):
        yield from (os.path.join(folder, name) for name in names)


def _makes(name: str) -> bool:
    try:
        os.mkdir(f"{TOP}{name}/attack")
    except OSError as error:
        print(f"a group in {TOP}{name}: {error.strerror}")
        return False
    return True

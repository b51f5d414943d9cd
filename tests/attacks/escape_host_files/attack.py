"""Looks for the machine's files under every name that they may have here."""

import os
from collections.abc import Callable
from functools import partial

SECRET = (
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/munge/munge.key",
    "/etc/slurm/slurm.conf",
    "/etc/cfiddle-slurm/sandbox.toml",
    "/run/cfiddle-slurm/jobs",
    "/run/secrets",
    "/root",
    "/root/.ssh",
    "/home/test_user1",
    "/home/test_user2",
    "/var/lib/docker",
    "/var/lib/docker/containers",
    "/var/spool/slurmd",
    "/var/log/slurm",
    "/.dockerenv",
    "/lost+found",
    "/boot/grub",
)
DETOURS = (
    "",
    "/proc/1/root",
    "/proc/1/cwd/..",
    "/proc/self/root",
    "/proc/self/root/..",
    "/proc/self/cwd/../..",
    "/proc/thread-self/root/../..",
    "/..",
    "/../../../..",
    "/work/../..",
    "/sys/../..",
    "/dev/fd/../../../../..",
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be read or written."""
        found = []
        for detour in DETOURS:
            for path in SECRET:
                if self._works(f"read {detour}{path}", partial(_read, detour + path)):
                    found.append(detour + path)
                if self._works(f"write {detour}{path}", partial(_write, detour + path)):
                    found.append(f"{detour}{path} written")
            if detour and self._works(f"leave by {detour}", partial(_leave, detour)):
                found.append(f"left by {detour}")
        return found

    def _works(self, name: str, way: Callable[[], None]) -> bool:
        try:
            way()
        except OSError as error:
            print(f"{name}: {error.strerror}")
            return False
        print(f"{name}: worked")
        return True


def _read(path: str) -> None:
    """Raises OSError also for what holds nothing: an empty file or folder is no secret."""
    if os.path.isdir(path):
        there = len(os.listdir(path))
    else:
        with open(path, "rb") as stream:
            there = len(stream.read(1))
    if not there:
        raise FileNotFoundError(0, "empty")


def _write(path: str) -> None:
    target = f"{path}/written" if os.path.isdir(path) else path
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT))


def _leave(detour: str) -> None:
    """Raises OSError where the detour leads to the container's own root, or below."""
    there, here = os.stat(detour + "/"), os.stat("/")
    if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
        raise FileNotFoundError(0, "the same root")
    if os.path.realpath(detour).startswith(("/work", "/proc", "/dev", "/sys")):
        raise FileNotFoundError(0, "inside")

"""What the guest packs at the end must be the experiment's own plain files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attacks.student import Student

FILES = "/work/files"
PLAIN, ODD = "plain.txt", "odd"


LINKS = (
    "/etc/shadow",
    "/etc/passwd",
    "/etc",
    "/proc/1",
    "/proc/1/environ",
    "/proc/1/mem",
    "/proc/self/fd/0",
    "/dev/zero",
    "/",
    "..",
)
NAMES = (" ..", "\\..\\x", "-rf", "...", "~", "$(id)")


def _odd_files() -> None:
    for number, target in enumerate(LINKS):
        os.symlink(target, f"{FILES}/link {number}")
    for name in NAMES:
        Path(FILES, name).write_text(ODD)
    os.mkfifo(f"{FILES}/fifo")
    socket.socket(socket.AF_UNIX).bind(f"{FILES}/socket")


def _in_the_place_of(folder: str, target: str) -> Callable[[], None]:
    def swap() -> None:
        os.rename(folder, "/work/hidden")
        os.symlink(target, folder)

    return swap


WAYS: dict[str, Callable[[], None]] = {
    "odd files": _odd_files,
    "a folder of the image in the files' place": _in_the_place_of(FILES, "/usr/local/bin"),
    "the guest's own in the files' place": _in_the_place_of(FILES, "/proc/1"),
    "its descriptors in the results' place": _in_the_place_of("/work/results", "/proc/1/fdinfo"),
}


class Inside:
    """Carried out inside the sandbox."""

    def prepare(self, way: str) -> None:
        """Write a plain file, and something else."""
        Path(FILES, PLAIN).write_text(PLAIN)
        WAYS[way]()


def attack(student: Student) -> list[str]:
    """The ways that brought home what is not the experiment's own."""
    return [way for way in WAYS if _brings_home(student, way)]


def _brings_home(student: Student, way: str) -> bool:
    import cfiddle

    import cfiddle_slurm

    home = student.folder / way
    home.mkdir()
    os.chdir(home)
    delegate = cfiddle_slurm.SlurmSandboxDelegate(
        scheduler="slurm", submit="srun", time_limit=10, output_files=["**"]
    )
    try:
        delegate.invoke(Inside(), "prepare", way)
        ended = "well"
    except cfiddle.CFiddleException as error:
        ended = f"{type(error).__name__}: {error}".replace("\n", " ")
    os.chdir(student.folder)
    files = [path for path in home.rglob("*") if not path.is_dir()]
    foreign = [path for path in files if path.is_symlink() or path.read_bytes() != _own(path)]
    print(f"{way}: ended {ended}; {len(files)} files, foreign: {[str(one) for one in foreign[:5]]}")
    return bool(foreign)


def _own(path: Path) -> bytes:
    return PLAIN.encode() if path.name == PLAIN else ODD.encode()

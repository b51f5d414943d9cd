"""Whatever becomes of its folders, the guest gives an answer, and no false one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attacks.student import Student

WORK = Path("/work")


def _other(name: str, make: Callable[[Path], object]) -> Callable[[], None]:
    def replace() -> None:
        shutil.rmtree(WORK / name)
        make(WORK / name)

    return replace


def _odd() -> None:
    os.mkfifo(WORK / "results" / "1")
    (WORK / "results" / "2").symlink_to("/proc/1/environ")
    (WORK / "results" / "3").mkdir()
    (WORK / "files" / "deep").mkdir()
    (WORK / "files" / "deep" / "deeper").symlink_to("..")
    (WORK / "files" / "closed").mkdir(mode=0)


def _swapped() -> None:
    (WORK / "results").rename(WORK / "old")
    (WORK / "files").rename(WORK / "results")
    (WORK / "old").rename(WORK / "files")


WAYS: dict[str, Callable[[], object]] = {
    "odd things among them": _odd,
    "results a FIFO": _other("results", os.mkfifo),
    "results without rights": lambda: (WORK / "results").chmod(0),
    "files a FIFO": _other("files", os.mkfifo),
    "files and results swapped": _swapped,
    "work without rights": lambda: WORK.chmod(0),
    "everything gone": lambda: shutil.rmtree(WORK, ignore_errors=True),
}
ANSWER = "the method's"


class Inside:
    """Carried out inside the sandbox."""

    def prepare(self, way: str) -> str:
        """Do it, and return."""
        WAYS[way]()
        return ANSWER


def attack(student: Student) -> list[str]:
    """The ways that gave a false answer, or none in time, or made the worker look broken."""
    return [way for way in WAYS if _misleads(way)]


def _misleads(way: str) -> bool:
    from cfiddle_slurm import SlurmSandboxDelegate, errors

    delegate = SlurmSandboxDelegate(
        scheduler="slurm", submit="srun", time_limit=10, retries=0, output_files=["**"]
    )
    try:
        answer = delegate.invoke(Inside(), "prepare", way)
    except errors.CFiddleSlurmError as error:
        print(f"{way}: {type(error).__name__}: {error}".replace("\n", " "))
        blames = isinstance(error, errors.SandboxUnavailable) and error.transient
        return blames or isinstance(error, errors.WallTimeLimit)
    print(f"{way}: {answer!r}")
    return bool(answer != ANSWER)

"""Job directories whose bundle is a link to something that the student may not read."""

import os
from pathlib import Path

from tests.attacks.student import Student

CLOSED = (
    "/etc/shadow",
    "/etc/munge/munge.key",
    "/proc/1/environ",
    "/proc/1/mem",
    "/dev/mem",
    "/root/.bashrc",
)
NO_FILES = ("/", "/run/cfiddle-slurm/socket/sandboxd.sock")


def attack(student: Student) -> list[str]:
    """The files that were read."""
    others = [path for path in Path("/home").iterdir() if path.is_dir() and path != Path.home()]
    targets = [*CLOSED, *NO_FILES, *(str(path) for path in others if not os.access(path, os.R_OK))]
    ways = {}
    for target in targets[:10]:
        folder = student.job_directory(None)
        (folder / "bundle.tar").symlink_to(target)
        ways[target] = folder
    wrong = student.not_refused(ways, "unavailable", sentence="could not be sent|holds no bundle")
    # What everybody may read is read as a bundle, and nothing of it is told.
    folder = student.job_directory(None)
    (folder / "bundle.tar").symlink_to("/etc/passwd")
    return wrong + student.not_refused({"/etc/passwd": folder}, sentence=r"archive \([a-z ]+\)\.$")

"""Job directories with files that nobody ever fills or empties."""

import os
import shutil
import time
from pathlib import Path

from tests.attacks.student import SECONDS, Student

SOON = 15.0


def attack(student: Student) -> list[str]:
    """The jobs that did not end when they were cancelled."""
    bundle = student.pack(student.good_bundle())
    wrong = []
    for name in ("request.json", "bundle.tar", "output.log"):
        folder = student.job_directory(bundle)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        job = student.submit(folder).stdout.strip()
        if not started(folder):
            wrong.append(f"{name}: it did not start")
        time.sleep(0.5)
        student.command("scancel", job)
        if not student.is_over(job, SOON):
            wrong.append(f"{name}: it is still there")
        shutil.rmtree(folder, ignore_errors=True)
    return wrong


def started(folder: Path) -> bool:
    """Whether a worker has taken the run."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up and not (folder / "started.json").exists():
        time.sleep(0.1)
    return (folder / "started.json").exists()

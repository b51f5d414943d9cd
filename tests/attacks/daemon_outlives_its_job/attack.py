"""A process that Slurm loses sight of: its parent has ended, and its session is its own."""

import time
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What the process could still do, as it wrote itself."""
    diary = student.folder / "diary"
    student.on_worker(Path(__file__).with_name("worker.py"), str(diary))
    assert diary.read_text().startswith("here"), "the process did not even begin"
    time.sleep(4)
    lines = diary.read_text().splitlines()
    print("\n".join(lines))
    return [line for line in lines if line.startswith("DID")]

"""Jobs of others, as they may be guessed or read off the queue."""

import json
from pathlib import Path

from tests.attacks.student import Student

WORKER = Path(__file__).with_name("worker.py")


def attack(student: Student) -> list[str]:
    """The job ids for which sandboxd did anything."""
    others = student.command("squeue", "--noheader", "--format=%i %u").stdout.split()[::2]
    said = student.on_worker(WORKER, *others)
    print(said)
    found: list[str] = json.loads(said.splitlines()[-1])
    return found

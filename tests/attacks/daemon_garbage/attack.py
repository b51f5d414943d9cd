"""Whether sandboxd is as it was after everything that a socket can carry."""

import json
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What was accepted, or left sandboxd without an answer to its next caller."""
    said = student.on_worker(Path(__file__).with_name("worker.py"))
    print(said)
    found: list[str] = json.loads(said.splitlines()[-1])
    return found

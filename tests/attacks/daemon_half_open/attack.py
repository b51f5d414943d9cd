"""Connections that cost sandboxd something and bring nothing."""

import json
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What was not as it should be."""
    said = student.on_worker(Path(__file__).with_name("worker.py"))
    print(said)
    found: list[str] = json.loads(said.splitlines()[-1])
    return found

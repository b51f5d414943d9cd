"""The runner looks at the worker afterwards; here it is only seen to that there was something."""

from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What a second job of the same user still finds there."""
    print(student.on_worker(Path(__file__).with_name("worker.py"), "leave"))
    said = student.on_worker(Path(__file__).with_name("worker.py"), "look")
    print(said)
    return [line for line in said.splitlines() if line.startswith("found")]

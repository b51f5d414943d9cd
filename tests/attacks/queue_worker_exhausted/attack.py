"""slurmd shares the container with what srun starts there, and must outlive it."""

from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> str:
    """Each way in a job of its own; the runner sees whether the node is still in service."""
    for way in ("files", "memory", "processes"):
        print(student.on_worker(Path(__file__).with_name("worker.py"), way, seconds=100))
    return "done"

"""The worker's container is not the student's: a job's processes have no network at all."""

import socket
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What was reached."""
    names = ("controller", "accounting", "user")
    known = [socket.gethostbyname(name) for name in names]
    nodes = student.command("scontrol", "--oneliner", "show", "node").stdout
    known += sorted({word[9:] for word in nodes.split() if word.startswith("NodeAddr=")})
    said = student.on_worker(Path(__file__).with_name("worker.py"), *known)
    print(said)
    return [line for line in said.splitlines() if line.startswith("reached")]

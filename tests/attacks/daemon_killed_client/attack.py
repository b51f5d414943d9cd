"""Hang up after the hello, in the bundle, after it, while it runs, and with the answer unread."""

import json
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What was not as it should be."""
    files = student.good_bundle()
    place = student.folder / "bundle.tar"
    place.write_bytes(student.pack({**files, "files/seconds": b"1"}))
    said = student.on_worker(Path(__file__).with_name("worker.py"), str(place))
    print(said)
    found: list[str] = json.loads(said.splitlines()[-1])
    return found

"""Two experiments of one job."""

import json
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What was not as it should be."""
    files = student.good_bundle()
    place = student.folder / "bundle.tar"
    place.write_bytes(student.pack({**files, "files/seconds": b"3"}))
    said = student.on_worker(Path(__file__).with_name("worker.py"), str(place))
    print(said)
    found: list[str] = json.loads(said.splitlines()[-1])
    return found

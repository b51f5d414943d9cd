"""Beside the experiment, but not in its container."""

import time
from pathlib import Path

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What could be reached from there."""
    files = student.good_bundle()
    folder = student.job_directory(student.pack({**files, "files/seconds": b"6"}))
    job = student.submit(folder).stdout.strip()
    give_up = time.monotonic() + 60
    while not (folder / "started.json").exists():
        assert time.monotonic() < give_up, "it does not start"
        time.sleep(0.05)
    program = str(Path(__file__).with_name("worker.py"))
    said = student.command("srun", "--overlap", f"--jobid={job}", "python3", program)
    print(said.stdout)
    wrong = [line for line in said.stdout.splitlines() if line.startswith("REACHED")]
    if student.report(folder).get("outcome", {}).get("kind") != "exited":
        wrong.append("the experiment was disturbed")
    return wrong

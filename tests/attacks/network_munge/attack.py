"""Each flood for some seconds; afterwards credentials are made as before."""

import time
from pathlib import Path

from tests.attacks.student import Student

FLOODS = Path(__file__).parents[1] / "floods.py"


def attack(student: Student, seconds: float) -> list[str]:
    """Which flood was felt."""
    found = []
    for way in ("idle", "slow", "credentials"):
        words = ("python3", str(FLOODS), way, str(seconds), "/run/munge/munge.socket.2")
        print(student.command(*words).stdout)
        began = time.monotonic()
        done = student.command("munge", "--no-input", seconds=30)
        took = time.monotonic() - began
        if done.returncode != 0 or took > 5:
            found.append(f"after {way} munge answered {done.stderr!r} after {took:.1f} s")
    return found

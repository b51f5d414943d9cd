"""The limit of queued jobs holds, and the controller still answers."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.attacks.student import Student

SENDERS = 8


def attack(student: Student, count: int, most: int) -> list[str]:
    """What was not as it should be."""
    source = Path(__file__).with_name("again.c")
    student.command("gcc", "-shared", "-fPIC", "-o", "again.so", str(source))
    folder = student.job_directory(None)
    over = threading.Event()

    def send(_: int) -> int:
        done = student.command(
            "sbatch", "--hold", f"--chdir={folder}", f"--job-name={student.job_name()}",
            str(folder / "job.sh"), seconds=200,
            LD_PRELOAD="./again.so", COUNT=str(count // SENDERS),
        )  # fmt: skip
        return int(re.findall(r"accepted (\d+)", done.stdout)[0])

    def ask() -> list[float]:
        waits = []
        while not over.wait(0.5):
            asked = time.monotonic()
            answer = student.command("squeue", "--noheader", "--me", seconds=30)
            waits.append(time.monotonic() - asked if answer.returncode == 0 else float("inf"))
        return waits

    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        asking = pool.submit(ask)
        try:
            accepted = sum(pool.map(send, range(SENDERS)))
        finally:
            over.set()
        seconds = time.monotonic() - began
        slowest = max(asking.result(), default=float("inf"))
    queued = len(student.command("squeue", "--noheader", "--me").stdout.splitlines())
    student.command("scancel", "--me")
    print(f"{count} submissions in {seconds:.1f} s: {accepted} accepted, {queued} in the queue;"
          f" meanwhile the queue was told after {slowest:.2f} s at most")  # fmt: skip
    wrong = []
    if not 0 < accepted <= most or not 0 < queued <= most:
        wrong.append(f"{accepted} were accepted, {queued} are in the queue")
    if slowest == float("inf"):
        wrong.append("the controller did not answer")
    return wrong

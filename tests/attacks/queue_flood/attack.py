"""The limit of queued jobs holds, and the controller still answers."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from tests.attacks.student import Student


def attack(student: Student, count: int, most: int) -> list[str]:
    """What was not as it should be."""
    folder = student.job_directory(None)
    words = ["sbatch", "--parsable", "--hold", f"--chdir={folder}", str(folder / "job.sh")]
    began = time.monotonic()

    def submit(_: int) -> bool:
        named = [*words[:-1], f"--job-name={student.job_name()}", words[-1]]
        return subprocess.run(named, capture_output=True, check=False).returncode == 0

    with ThreadPoolExecutor(32) as pool:
        accepted = sum(pool.map(submit, range(count)))
    seconds = time.monotonic() - began
    print(f"{count} submissions in {seconds:.1f} s, {accepted} accepted")
    asked = time.monotonic()
    answer = student.command("squeue", "--noheader", "--me", seconds=30)
    print(f"the queue was told after {time.monotonic() - asked:.2f} s")
    queued = len(answer.stdout.splitlines())
    student.command("scancel", "--me", seconds=60)
    wrong = []
    if accepted > most or queued > most:
        wrong.append(f"{accepted} were accepted, {queued} are in the queue")
    if answer.returncode != 0 or queued == 0:
        wrong.append("the controller does not answer")
    return wrong

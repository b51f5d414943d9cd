"""One run is one job on one worker, whatever is asked for."""

import re

from tests.attacks.student import Student

ASKED = (
    ("--nodes=2-64",), ("--nodes=2",), ("--ntasks=400",), ("--ntasks=2", "--ntasks-per-node=1"),
    ("--array=0-9",), ("--array=0-1000",), ("--exclusive", "--nodes=64"), ("--mincpus=1", "-N2"),
)  # fmt: skip


def attack(student: Student) -> list[str]:
    """The ways in which more than one job or worker was given."""
    folder = student.job_directory(None)
    found = []
    for options in ASKED:
        done = student.submit(folder, "--hold", *options)
        if done.returncode == 0 and not is_small(student, done.stdout.strip()):
            found.append(" ".join(options))
    for count in (2, 12):
        part = [f"--job-name={student.job_name()}", "--hold"]
        words = [*part, *([":", *part] * (count - 1))]
        if student.command("sbatch", *words, str(folder / "job.sh")).returncode == 0:
            found.append(f"{count} in one")
    student.command("scancel", "--me")
    return found


def is_small(student: Student, job_id: str) -> bool:
    """Whether Slurm has one job of one node of it."""
    text = student.command("scontrol", "show", "job", job_id).stdout
    nodes = re.search(r"NumNodes=(\d+)(?:-(\d+))?", text)
    assert nodes is not None, text
    print(f"{job_id}: {nodes[0]}")
    return nodes[1] == "1" and nodes[2] in (None, "1") and "ArrayTaskId" not in text

"""However long is asked for, no job may have a worker longer than a run can take."""

import re

from tests.attacks.student import Student

MOST_MINUTES = 24 * 60
"""Generous: what a cluster's policy allows a run, and a few minutes more."""
ASKED = ("UNLIMITED", "365-0", "100000", "0")


def attack(student: Student) -> list[str]:
    """The ways in which more was given."""
    folder = student.job_directory(None)
    given = []
    for time in ASKED:
        # Held: what it was given can be read, and it costs nobody anything.
        done = student.submit(folder, "--hold", f"--time={time}")
        if done.returncode == 0 and minutes(student, done.stdout.strip()) > MOST_MINUTES:
            given.append(f"sbatch --time={time}")
        for way in (["salloc", "--no-shell"], ["srun", "--input=none"]):
            words = [*way, f"--job-name={student.job_name()}", f"--time={time}"]
            if way[0] == "srun":
                words += ["sh", "-c", "echo $SLURM_JOB_ID; scontrol show job $SLURM_JOB_ID"]
            said = student.command(*words)
            numbers = re.findall(r"allocation (\d+)", said.stderr) + said.stdout.split()[:1]
            if numbers and minutes(student, numbers[0]) > MOST_MINUTES:
                given.append(f"{way[0]} --time={time}")
            if numbers:
                student.command("scancel", numbers[0])
    student.command("scancel", "--me")
    return given


def minutes(student: Student, job_id: str) -> float:
    """A job's time limit."""
    text = student.command("scontrol", "show", "job", job_id).stdout
    limit = re.search(r"TimeLimit=(\S+)", text)
    assert limit is not None, text
    print(f"{job_id}: {limit[1]}")
    if limit[1] == "UNLIMITED":
        return float("inf")
    days, _, rest = limit[1].rpartition("-")
    hours, of_hour, _ = rest.split(":")
    return int(days or 0) * 1440 + int(hours) * 60 + int(of_hour)

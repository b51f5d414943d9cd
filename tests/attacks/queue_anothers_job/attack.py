"""The runner sees to it that another user's runs go on all the time."""

import getpass
import time

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What worked on a job of somebody else."""
    job, user = somebodys_job(student)
    mine = str(student.folder / "copy")
    ways = {
        "cancel": ["scancel", job],
        "cancel all": ["scancel", f"--user={user}"],
        "signal": ["scancel", "--signal=USR1", job],
        "signal its script": ["scancel", "--batch", "--signal=KILL", job],
        "hold": ["scontrol", "hold", job],
        "requeue": ["scontrol", "requeue", job],
        "suspend": ["scontrol", "suspend", job],
        "top": ["scontrol", "top", job],
        "change": ["scontrol", "update", f"JobId={job}", "TimeLimit=1"],
        "its script": ["scontrol", "write", "batch_script", job, mine],
        "join": ["srun", "--overlap", f"--jobid={job}", "--immediate=3", "id"],
        "attach": ["sattach", f"{job}.batch"],
        "its files": ["ls", f"/home/{user}/.cfiddle-slurm/jobs"],
        "its home": ["ls", f"/home/{user}"],
    }
    return [name for name, words in ways.items() if done(student, name, words)]


def done(student: Student, name: str, words: list[str]) -> bool:
    """Whether it worked; scancel of a user's jobs finds none that it may cancel, and is content."""
    said = student.command(*words, seconds=20)
    return said.returncode == 0 and name != "cancel all"


def somebodys_job(student: Student) -> tuple[str, str]:
    """A job of another user and that user."""
    me = getpass.getuser()
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        found = student.command("squeue", "--noheader", "--states=RUNNING", "--format=%i %u").stdout
        for line in found.splitlines():
            job, user = line.split()
            if user != me:
                return job, user
        time.sleep(0.1)
    raise AssertionError("no other user has a job: this attack needs one")

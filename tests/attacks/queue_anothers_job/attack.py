"""The runner sees to it that another user's runs go on all the time."""

import getpass
import os
import time

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """What worked on a job of somebody else."""
    job, user = somebodys_job(student)
    copy = student.folder / "copy"
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
        "its script": ["scontrol", "write", "batch_script", job, str(copy)],
        "join": ["srun", "--overlap", f"--jobid={job}", "--immediate=3", "id"],
        "attach": ["sattach", f"{job}.batch"],
        "its files": ["ls", f"/home/{user}/.cfiddle-slurm/jobs"],
        "its home": ["ls", f"/home/{user}"],
    }
    found = [name for name, words in ways.items() if student.command(*words).returncode == 0]
    # Two commands are content when there is nothing that they may touch: a job of this user, or,
    # once it has ended, the script of a job.
    if "its script" in found and not copy.exists():
        found.remove("its script")
    if "cancel all" in found and not cancelled(student, user):
        found.remove("cancel all")
    return found


def cancelled(student: Student, user: str) -> bool:
    """Whether a job of the user has been cancelled from here; Slurm writes down who it was."""
    words = ("sacct", "--allusers", "--allocations", "--noheader", f"--user={user}",
             "--starttime=now-2minutes", "--format=State%40")  # fmt: skip
    return f"CANCELLED by {os.getuid()}" in student.command(*words).stdout


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

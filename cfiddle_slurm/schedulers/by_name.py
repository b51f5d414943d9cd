"""A run's job by its name, where its id did not come back."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.schedulers import slurm_commands
from cfiddle_slurm.schedulers.binding import questions
from cfiddle_slurm.schedulers.job_script import job_name, run_id_of
from cfiddle_slurm.schedulers.slurm_parse import SACCT_SEARCH, SQUEUE_SEARCH, parse_search

_COMMAND_SECONDS = 5.0


def jobs_of(run_id: str, folder: Path, binding: str = "commands") -> list[str]:
    """This user's jobs of the run's name that work in the run's directory.

    Names are public, and anybody may give a job the same one.
    """
    found = questions.jobs_of(binding, run_id, folder)
    if found:
        return found
    name = f"--name={job_name(run_id)}"
    commands = (
        ["squeue", "--noheader", "--states=all", "--me", name, f"--format={SQUEUE_SEARCH}"],
        ["sacct", "--allocations", "--noheader", "--parsable2", f"--format={SACCT_SEARCH}",
         "--starttime=now-1hours", f"--user={os.getuid()}", name],
    )  # fmt: skip
    for command in commands:
        with suppress(SchedulerUnavailable):
            answer = slurm_commands.ask(command, timeout=_COMMAND_SECONDS)
            found = parse_search(answer.stdout, str(folder))
            if answer.status == 0 and found:
                return found
    return []


def has_no_job() -> bool:
    """Whether this user has no job at all, as far as Slurm can be asked."""
    with suppress(SchedulerUnavailable):
        answer = slurm_commands.ask(["squeue", "--me", "--noheader", "--format=%i"])
        return answer.status == 0 and not answer.stdout.strip()
    return False


def cancel_jobs_of(run_id: str) -> None:
    """Cancel this user's jobs of the run's name, if Slurm can be asked to."""
    name = f"--name={job_name(run_id)}"
    with suppress(SchedulerUnavailable):
        slurm_commands.ask(["scancel", f"--user={os.getuid()}", name])


def cancel_jobs(run_ids: Collection[str]) -> None:
    """Cancel this user's jobs of several runs, if Slurm can be asked to."""
    with suppress(SchedulerUnavailable):
        answer = slurm_commands.ask(["squeue", "--noheader", "--me", "--format=%i|%j"])
        jobs = (line.strip().partition("|") for line in answer.stdout.splitlines())
        found = [job for job, _, name in jobs if job.isdecimal() and run_id_of(name) in run_ids]
        if answer.status == 0 and found:
            slurm_commands.ask(["scancel", "--quiet", *found])

"""What runs ask Slurm through the helper. Where it does not answer, Slurm's commands are asked."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.layout import JOB_SCRIPT, SLURM_LOG
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.schedulers.base import JobState
from cfiddle_slurm.schedulers.binding.conversation import Failed, Unanswered
from cfiddle_slurm.schedulers.binding.shared import Unavailable, shared
from cfiddle_slurm.schedulers.job_script import SPARE_MINUTES, excluded_by, job_name, run_id_of
from cfiddle_slurm.schedulers.slurm_commands import unavailable
from cfiddle_slurm.schedulers.slurm_parse import Trouble, trouble_of
from cfiddle_slurm.settings import Settings
from cfiddle_slurm.slurm_states import status_of

_PREFIX = re.compile(r"^[^:\s]*: (?=error: |fatal: )|^(?=error: |fatal: )", re.MULTILINE)


class ReplyLost(Exception):
    """There may be a job, or not; ``died`` if that is the helper's fault, and not Slurm's."""

    def __init__(self, words: str, *, died: bool = False) -> None:
        super().__init__(words)
        self.died = died


class NotTaken(Exception):
    """There is no job, and Slurm may be asked again.

    Attributes:
        trouble: why: it was not reached, or has no room.
        words: its own, as sbatch prints them.
    """

    def __init__(self, trouble: Trouble, words: str) -> None:
        super().__init__(words)
        self.trouble, self.words = trouble, words


def submit(run_id: str, folder: Path, settings: Settings) -> str | None:
    """Submit the script in a job directory.

    Returns:
        The job's id. None if there is no job and sbatch is to be asked: it also knows best why
        Slurm refuses one.

    Raises:
        ReplyLost: the job has to be looked for by its name.
        NotTaken: there is no job, and asking sbatch would be asking twice.
    """
    job = description(run_id, folder, settings)
    if job is None:
        return None
    try:
        return str(int(shared.ask(settings.binding, {"ask": "submit", "job": job})))
    except Unavailable:
        return None
    except Unanswered as error:
        words = f"pyslurm did not say which job it is: {error.words}"
        raise ReplyLost(words, died=error.died) from error
    except Failed as error:
        words = _as_sbatch_prints(error)
        match trouble_of(words):
            case Trouble.REPLY_LOST:
                raise ReplyLost(error.words) from error
            case (Trouble.NO_ROOM | Trouble.NOT_REACHED) as trouble:
                raise NotTaken(trouble, words) from error
        return None


def _as_sbatch_prints(error: Failed) -> str:
    """The library prints what the controller said; only a program's name is in the way."""
    log = _PREFIX.sub("sbatch: ", error.log)
    return f"{log}\nsbatch: error: Batch job submission failed: {error.words}"


def description(run_id: str, folder: Path, settings: Settings) -> dict[str, Any] | None:
    """The arguments of pyslurm.JobSubmitDescription that say what those of sbatch would say.

    None where the settings have options of sbatch's for which pyslurm has no word.
    """
    excluded = [excluded_by(word) for word in settings.sbatch_options]
    if None in excluded:
        return None
    job: dict[str, Any] = {
        "name": job_name(run_id),
        "script": str(folder / JOB_SCRIPT),
        "working_directory": str(folder),
        "standard_output": SLURM_LOG,
        "log_files_open_mode": "append",
        "is_requeueable": False,
        "nodes": 1,
        "ntasks": 1,
        "partitions": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "constraints": settings.constraint,
        "excluded_nodes": excluded[-1] if excluded else None,
        "resource_sharing": "exclusive" if settings.exclusive else None,
    }
    if settings.time_limit is not None:
        job["time_limit"] = math.ceil(settings.time_limit / 60) + SPARE_MINUTES
    return {name: value for name, value in job.items() if value is not None}


def states(binding: str, job_ids: Sequence[str]) -> dict[str, JobState] | None:
    """The states of all those jobs that slurmctld knows; None if squeue is to be asked.

    Raises:
        SchedulerUnavailable: slurmctld does not answer, and would not answer squeue.
    """
    try:
        answer = shared.ask(binding, {"ask": "states", "ids": list(job_ids)})
    except (Unavailable, Unanswered):
        return None
    except Failed as error:
        _check_that_it_was_reached(error)
        return None
    return {
        job_id: JobState(
            job_id, status_of(raw), raw, one_line(reason), node or None, None, run_id_of(name)
        )
        for job_id, raw, reason, node, name in answer
    }


def jobs_of(binding: str, run_id: str, folder: Path) -> list[str]:
    """This user's jobs of the run's name that work in its directory and are in the queue.

    None may also mean that Slurm did not say.
    """
    try:
        answer = shared.ask(binding, {"ask": "search", "name": job_name(run_id)})
    except (Unavailable, Unanswered, Failed):
        return []
    return [job_id for job_id, place in answer if place == str(folder)]


def cancel(binding: str, job_id: str) -> bool:
    """Cancel a job. False if that is not certain, and scancel is to be asked.

    pyslurm may tell of an old failure although the job was cancelled: it reads ``errno`` after a
    success, too. To cancel twice does no harm.

    Raises:
        SchedulerUnavailable: slurmctld does not answer, and would not answer scancel.
    """
    try:
        shared.ask(binding, {"ask": "cancel", "id": job_id})
    except (Unavailable, Unanswered):
        return False
    except Failed as error:
        _check_that_it_was_reached(error)
        return False
    return True


def _check_that_it_was_reached(error: Failed) -> None:
    """The command would try as long, and in vain."""
    if trouble_of(error.words) is Trouble.NOT_REACHED:
        raise unavailable(error.words) from error

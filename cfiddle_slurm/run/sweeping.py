"""Directories that are to go: of runs that are over, and of those whose notebook was killed."""

import threading
import time
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm.bundle.layout import is_run_id
from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.schedulers.base import Scheduler
from cfiddle_slurm.schedulers.by_name import cancel_jobs

INTERVAL = 600.0
"""Seconds between two looks of one process."""
_lock = threading.Lock()
_looked: dict[Path, float] = {}


def remove_soon(directory: JobDirectory) -> None:
    """Remove it while the caller has its results already; Python ends no sooner than this.

    On a shared home that takes as long as the whole way back.
    """
    try:
        threading.Thread(target=directory.remove, name="cfiddle-removal").start()
    except RuntimeError:  # no more threads to be had
        directory.remove()


def sweep(jobs_directory: Path, scheduler: Scheduler) -> None:
    """Remove the directories of runs that are over and that nobody waits for.

    A run that waits in the queue is taken back, and its job cancelled: nobody could get its
    results. One that a worker has is left to its end, and goes at a later look. It looks seldom,
    and never fails.
    """
    if not _is_due(jobs_directory):
        return
    with suppress(OSError, SchedulerUnavailable):
        _sweep(jobs_directory, scheduler)


def _is_due(jobs_directory: Path) -> bool:
    now = time.monotonic()
    with _lock:
        due = now - _looked.get(jobs_directory, -INTERVAL) >= INTERVAL
        if due:
            _looked[jobs_directory] = now
    return due


def _sweep(jobs_directory: Path, scheduler: Scheduler) -> None:
    at_work: dict[str, JobDirectory] = {}
    unstarted: list[JobDirectory] = []
    for path in jobs_directory.iterdir():
        directory = JobDirectory(path)
        if not is_run_id(path.name) or not directory.is_abandoned():
            continue
        if directory.is_over():
            directory.remove()
        elif directory.take_back():
            unstarted.append(directory)
        elif (job_id := directory.started_job()) is not None:
            at_work[job_id] = directory
    _remove_unstarted(unstarted, scheduler)
    _remove_ended(at_work, scheduler)


def _remove_unstarted(unstarted: list[JobDirectory], scheduler: Scheduler) -> None:
    if unstarted and scheduler.name == "slurm":
        # First: a job that starts while its directory goes would leave the half of it.
        cancel_jobs([directory.path.name for directory in unstarted])
    for directory in unstarted:
        directory.remove()


def _remove_ended(at_work: dict[str, JobDirectory], scheduler: Scheduler) -> None:
    if at_work and scheduler.name == "slurm":
        states = scheduler.states(list(at_work))
        for job_id, directory in at_work.items():
            state = states.get(job_id)
            if state is None or state.status.final or not state.is_of(directory.path.name):
                directory.remove()

"""One run's life: stage, submit, wait, collect, clean up. Backend and delegate share it."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm import errors
from cfiddle_slurm.bundle.archive import BundleError, Member
from cfiddle_slurm.bundle.layout import BUNDLE, MANIFEST, REQUEST, RESULT
from cfiddle_slurm.bundle.manifest import Manifest, environment_to_travel
from cfiddle_slurm.errors import CFiddleSlurmError
from cfiddle_slurm.job_directory import JobDirectory, new_run_id
from cfiddle_slurm.notices import tell
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.results.collect import collect
from cfiddle_slurm.results.records import Records
from cfiddle_slurm.run.outcomes import error_of_outcome
from cfiddle_slurm.run.sweeping import remove_soon, sweep
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.run.waiting import Wait
from cfiddle_slurm.sandbox import versions
from cfiddle_slurm.sandbox.protocol import PROTOCOL
from cfiddle_slurm.schedulers import scheduler_for, watcher_for
from cfiddle_slurm.schedulers.base import Scheduler
from cfiddle_slurm.schedulers.room import room_for
from cfiddle_slurm.schedulers.state_watch import StateWatch
from cfiddle_slurm.settings import Settings
from cfiddle_slurm.values import size_text

_CANCEL_SECONDS = 20.0
"""Longest wait for Slurm's word that a cancelled job is gone (its own KillWait is 30 s at most)."""

_RETRY_PAUSE = 2.0
_MACHINES_FAULT = (errors.JobLost, errors.NodeFailed, errors.SandboxUnavailable, errors.Withdrawn)
"""After these nothing of the run is alive, and the same run may succeed on another worker."""


@dataclass(frozen=True)
class Returned:
    """What came back: records, how it went, and the error when it did not end well."""

    records: Records
    report: RunReport
    error: CFiddleSlurmError | None


class _Reports(threading.local):
    mine: RunReport | None = None


_reports = _Reports()
_latest: list[RunReport] = []


def last_report() -> RunReport | None:
    """The report of this thread's last run; when it made none, of the process's last run."""
    return _reports.mine or (_latest[-1] if _latest else None)


def execute(task: Task, settings: Settings) -> Returned:
    """Run a task to its end, and once more when a machine failed (``settings.retries`` times).

    Raises:
        CFiddleSlurmError: it could not be run, or its results are not acceptable. A run that came
            back with an error of its own is returned, with what it had finished.
        KeyboardInterrupt: after the job was cancelled and is confirmed gone.
    """
    _check_places(settings)
    sweep(settings.jobs_directory, scheduler_for(settings))
    beats, left = True, settings.retries
    nodes: list[str] = []
    while True:
        try:
            returned = _run_elsewhere(task, settings, nodes, beats=beats)
            failure = returned.error
            if not (left and isinstance(failure, _MACHINES_FAULT) and failure.transient):
                return returned
        except _MACHINES_FAULT as error:
            if not (left and error.transient):
                raise
            failure = error
        times = "once more" if left == 1 else f"up to {left} more times"
        tell(f"{failure.message} Trying {times}.")
        # A process that was not heard of although it lives must not lose its next run to that, too.
        beats = beats and not isinstance(failure, errors.Withdrawn)
        nodes += [failure.node] if failure.node is not None else []
        left -= 1
        time.sleep(_RETRY_PAUSE)


def _run_elsewhere(
    task: Task, settings: Settings, nodes: Sequence[str], *, beats: bool
) -> Returned:
    """A run that avoids nodes which have failed, unless Slurm has no others for it."""
    chosen = scheduler_for(settings).avoiding(settings, nodes)
    try:
        return _run_once(task, chosen, beats=beats)
    except errors.SubmissionError:
        if chosen == settings:
            raise
    return _run_once(task, settings, beats=beats)


def _run_once(task: Task, settings: Settings, *, beats: bool) -> Returned:
    scheduler = scheduler_for(settings)
    run_id = new_run_id()
    directory = JobDirectory.create(settings.jobs_directory, run_id, beats=beats)
    try:
        _stage(directory, run_id, task, settings)
        stages = {"submitted": time.monotonic()}
        job_id, status = _submit_and_wait(scheduler, directory, run_id, settings)
        stages["noticed"] = time.monotonic()
        returned = _bring_home(directory, task, status, scheduler.name, stages)
    except CFiddleSlurmError as error:
        error.run_id = run_id
        _after_failure(directory, error, settings)
        raise
    except BaseException:
        directory.remove()
        raise
    if returned.error is None and directory.kept_for is None:
        remove_soon(directory)
    elif returned.error is None:
        directory.keep(str(directory.kept_for), settings.keep_failed)
    else:
        returned.error.run_id, returned.error.report = run_id, returned.report
        returned.error.job_id = returned.error.job_id or job_id
        _after_failure(directory, returned.error, settings)
    return returned


def _check_places(settings: Settings) -> None:
    # The working directory may be anywhere: what travels goes through the jobs directory.
    root, jobs = settings.shared_root, settings.jobs_directory
    if settings.scheduler != "slurm" or root is None:
        return
    if not jobs.resolve().is_relative_to(root.resolve()):
        raise errors.InputError(
            f"The jobs directory {str(jobs)!r} is not on the shared home {str(root)!r}, "
            "so the workers cannot see it.",
            hint=f"Set jobs_directory to a folder below {root}.",
        )


def _stage(directory: JobDirectory, run_id: str, task: Task, settings: Settings) -> None:
    manifest = Manifest(
        run_id=run_id,
        kind=task.kind,
        entry=task.entry,
        outputs=task.outputs,
        environment=environment_to_travel(os.environ),
        versions=versions.here(),
    )
    request = {
        "protocol": PROTOCOL,
        "run_id": run_id,
        "image": settings.image,
        "versions": versions.here(),
        "wall_seconds": settings.time_limit,
        "cpu_seconds": None,
        "memory_bytes": settings.memory,
    }
    try:
        directory.stage((Member(MANIFEST, manifest.to_bytes()), *task.members), request)
    except BundleError as error:
        raise errors.InputError(str(error), cause=error) from error
    size, most = (directory.path / BUNDLE).stat().st_size, settings.max_inputs
    if settings.scheduler == "slurm" and most is not None and size > most:
        raise errors.InputError(
            f"The run's inputs take {size_text(size)}, and this site allows {size_text(most)}.",
            hint="Name fewer files in input_files, or ask whoever runs the cluster.",
        )


def _submit_and_wait(
    scheduler: Scheduler, directory: JobDirectory, run_id: str, settings: Settings
) -> tuple[str, dict[str, Any]]:
    asked = time.monotonic()
    job_id = scheduler.submit(run_id, directory.path, settings)
    with watcher_for(scheduler, settings).watching(job_id) as watch:
        try:
            return job_id, Wait(directory, settings, scheduler, watch, job_id, asked).for_report()
        except errors.JobLost:
            raise  # there is none, and its id may be another's by now
        except BaseException:
            _cancel(scheduler, watch, job_id, run_id)
            raise
        finally:
            room_for(settings).has_ended()


def _cancel(scheduler: Scheduler, watch: StateWatch, job_id: str, run_id: str) -> None:
    """Cancel a job and wait until it is gone; never hides why it is cancelled."""
    known = watch.latest()
    if known is not None and not known.is_of(run_id):
        return
    give_up = time.monotonic() + _CANCEL_SECONDS
    with suppress(KeyboardInterrupt):  # a second one: the user does not want to wait for it
        try:
            scheduler.cancel(job_id)
            while time.monotonic() < give_up:
                state = watch.refresh(_CANCEL_SECONDS)
                if state is None or state.status.final:
                    return
                time.sleep(0.1)
        except errors.SchedulerUnavailable as error:
            tell(str(error))
    tell(
        f"job {job_id} was cancelled, but its end was not confirmed; "
        f"look with: squeue --jobs={job_id}"
    )


def _bring_home(
    directory: JobDirectory,
    task: Task,
    status: dict[str, Any],
    scheduler_name: str,
    stages: dict[str, float],
) -> Returned:
    records = collect(directory.path / RESULT, Path.cwd(), outputs=task.outputs, read=task.read)
    submitted, started, finished, collected = directory.times()
    report = RunReport.of(
        status,
        scheduler=scheduler_name,
        submitted=submitted,
        started=started,
        finished=finished if finished is not None else collected,
        collected=collected,
        stages={**stages, "collected": time.monotonic()},
    )
    _reports.mine = report
    _latest[:] = [report]
    return Returned(records, report, _error_of(status, records))


def _error_of(status: dict[str, Any], records: Records) -> CFiddleSlurmError | None:
    """The error that the user sees, if any: how the run ended comes first."""
    error = error_of_outcome(status)
    if error is None and records.truncated:
        return errors.ResultRejected("The results are cut off in the middle of a record.")
    if error is not None and records.truncated:
        error.hint = f"{error.hint} The last result was cut off and is not among these.".lstrip()
    if error is not None and records.unwritten is not None:
        tell(str(records.unwritten))
    return error or records.unwritten


def _after_failure(directory: JobDirectory, error: CFiddleSlurmError, settings: Settings) -> None:
    if not (directory.path / REQUEST).exists():
        directory.remove()  # nothing was submitted: there is nothing to look at
        return
    directory.keep(str(error), settings.keep_failed)

"""``scheduler="local"``: the same bundle and the same guest, as a plain subprocess on this machine.

For a laptop before any cluster exists. The run has a private directory and limits of time and
output, but it is the user's own process: neither isolated nor exclusive.
"""

import itertools
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.notices import tell
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.schedulers.local_run import LocalRun
from cfiddle_slurm.settings import Settings

NOTICE = "experiments run on this machine (scheduler='local'), neither isolated nor exclusive."


class LocalScheduler:
    """Runs each job at once, in a thread that looks after its process."""

    name = "local"

    def __init__(self) -> None:
        self._runs: dict[str, LocalRun] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._said = False

    def submit(self, run_id: str, folder: Path, settings: Settings) -> str:
        """Start a run.

        Raises:
            SchedulerUnavailable: its process cannot be started.
        """
        with self._lock:
            job_id = f"local-{os.getpid()}-{next(self._numbers)}"
            if not self._said:
                self._said = True
                tell(NOTICE)
            run = self._runs[job_id] = LocalRun(run_id, job_id, folder, settings)
        try:
            run.start()
        except (OSError, RuntimeError, ProcessError) as error:
            raise SchedulerUnavailable(
                f"The experiment's process could not be started: {error}.", cause=error
            ) from error
        return job_id

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """The states of jobs of this process."""
        with self._lock:
            runs = {job_id: self._runs[job_id] for job_id in job_ids if job_id in self._runs}
        return {job_id: _state(job_id, run) for job_id, run in runs.items()}

    def cancel(self, job_id: str) -> None:
        """End a run and wait until its processes are gone."""
        with self._lock:
            run = self._runs.get(job_id)
        if run is not None:
            run.cancel()

    def script(self, folder: Path, settings: Settings) -> str:
        """What is executed."""
        return f"{' '.join(LocalRun.command())}  # input: {folder}\n"

    def avoiding(self, settings: Settings, nodes: Sequence[str]) -> Settings:
        """There is no other machine."""
        return settings

    def withdrawn(self, node: str) -> str | None:
        """This machine is always there."""
        return None

    def describe_wait(self, state: JobState) -> str:
        """Why a job has not started, in plain English."""
        return "its process is being started"


def _state(job_id: str, run: LocalRun) -> JobState:
    status = JobStatus.COMPLETED if run.over else JobStatus.RUNNING
    return JobState(job_id, status, status.name, "", os.uname().nodename, None)

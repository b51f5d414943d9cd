"""What a scheduler is, whatever stands behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cfiddle_slurm.settings import Settings
from cfiddle_slurm.slurm_states import JobStatus as JobStatus


@dataclass(frozen=True)
class JobState:
    """What a scheduler says of a job.

    Attributes:
        job_id: the scheduler's name of it.
        status: how far it is.
        raw: the scheduler's own word for that.
        reason: its own word for why the job waits, or empty.
        node: where it runs or ran, if that is known.
        exit_code: as the scheduler writes it, if known.
        run_id: of which run the job is, if that is known: a job id may be given twice.
    """

    job_id: str
    status: JobStatus
    raw: str
    reason: str = ""
    node: str | None = None
    exit_code: str | None = None
    run_id: str | None = None

    def is_of(self, run_id: str) -> bool:
        """Whether it is the job of a run, as far as that is known."""
        return self.run_id in (None, run_id)


def advance(old: JobState | None, new: JobState) -> JobState:
    """The later of two states: news that arrives late never takes a job back.

    A final state is the last word; an unknown one says nothing at all. A job of another run is
    another job.
    """
    if old is None or old.run_id != new.run_id:
        return new
    if old.status.final or new.status is JobStatus.UNKNOWN:
        return old
    return new if new.status.value >= old.status.value else old


class Scheduler(Protocol):
    """Takes jobs, tells how they are, cancels them."""

    @property
    def name(self) -> str:
        """As in the setting ``scheduler``."""

    def submit(self, run_id: str, folder: Path, settings: Settings) -> str:
        """Submit the run in a job directory. Returns the job id.

        Raises:
            SubmissionError: it was refused.
            SchedulerUnavailable: nobody answers; then no job is left.
        """

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """The states of jobs; those it knows nothing of are absent.

        Raises:
            SchedulerUnavailable: nobody answers.
        """

    def cancel(self, job_id: str) -> None:
        """Cancel a job; none is an error if it has ended already.

        Raises:
            SchedulerUnavailable: nobody answers.
        """

    def script(self, folder: Path, settings: Settings) -> str:
        """What would be submitted, as text."""

    def describe_wait(self, state: JobState) -> str:
        """Why a job has not started, in plain English."""

    def avoiding(self, settings: Settings, nodes: Sequence[str]) -> Settings:
        """Settings that keep a run from nodes which have failed, as far as there are others."""

    def withdrawn(self, node: str) -> str | None:
        """Why a node takes no jobs, if it is a machine that says so, and no person."""

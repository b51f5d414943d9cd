"""Stand-ins that several modules of this folder share."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.settings import Settings

JOB = "4711"


def job_state(status: JobStatus, reason: str = "") -> JobState:
    return JobState(JOB, status, status.name, reason, "worker1")


class FakeScheduler:
    """A scheduler whose job is a function that writes into the job directory.

    Attributes:
        calls: what was asked of it, in order.
        folders: the job directories that were submitted.
        news: what it says when it is asked for states, the last of it again and again.
        submitted: the settings of the latest submission.
        avoided: the nodes that the latest attempt was to avoid.
        elsewhere: the settings for that, if there are others for it.
        reasons: why nodes have taken themselves out of service.
    """

    name = "fake"

    def __init__(self, job: Callable[[Path], object] = lambda folder: None) -> None:
        self.job = job
        self.calls: list[str] = []
        self.folders: list[Path] = []
        self.avoided: list[str] = []
        self.submitted = Settings()
        self.elsewhere: Settings | None = None
        self.reasons: dict[str, str] = {}
        self.news: list[JobStatus | BaseException | None] = [JobStatus.RUNNING]

    def submit(self, run_id: str, folder: Path, settings: Settings) -> str:
        self.calls.append("submit")
        self.submitted = settings
        self.folders.append(folder)
        self.job(folder)
        return JOB

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        self.calls.append("states")
        news = self.news.pop(0) if len(self.news) > 1 else self.news[0]
        if isinstance(news, BaseException):
            raise news
        return {} if news is None else {JOB: job_state(news)}

    def cancel(self, job_id: str) -> None:
        self.calls.append(f"cancel {job_id}")

    def script(self, folder: Path, settings: Settings) -> str:
        return f"run {folder}"

    def describe_wait(self, state: JobState) -> str:
        return f"it is {state.raw.lower()} for {state.reason or 'no reason'}"

    def avoiding(self, settings: Settings, nodes: Sequence[str]) -> Settings:
        self.avoided = list(nodes)
        return self.elsewhere if nodes and self.elsewhere is not None else settings

    def withdrawn(self, node: str) -> str | None:
        return self.reasons.get(node)

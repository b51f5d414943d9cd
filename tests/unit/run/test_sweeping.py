"""What killed notebooks leave, and who removes it when."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.bundle.layout import REPORT, STARTED
from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.run import sweeping
from cfiddle_slurm.run.sweeping import remove_soon, sweep
from cfiddle_slurm.schedulers.base import JobStatus
from tests.patience import wait_until
from tests.unit.stand_ins import JOB, FakeScheduler

Make = Callable[..., JobDirectory]


class Slurm(FakeScheduler):
    name = "slurm"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sweeping, "_looked", {})
    return tmp_path / "jobs"


@pytest.fixture
def make(jobs: Path) -> Make:
    """``make(number, alive=..., **files)``: a run's directory whose notebook lives or does not."""

    def make(number: int, *, alive: bool = False, **files: str) -> JobDirectory:
        made = JobDirectory.create(jobs, f"{number:016x}")
        for name, text in files.items():
            (made.path / f"{name}.json").write_text(text)
        if not alive:
            made._disown()
        return made

    return make


def taken(job_id: str) -> str:
    return json.dumps({"job_id": job_id})


def test_what_is_over_and_what_never_started_goes(jobs: Path, make: Make) -> None:
    make(1)
    make(2, report="{}", started=taken(JOB))
    alive = [make(3, alive=True), make(4, alive=True, report="{}")]
    failed = make(5, alive=True)
    failed.keep("It failed.", 20)
    (jobs / "notes").mkdir()
    sweep(jobs, Slurm())
    assert set(os.listdir(jobs)) == {"notes", failed.path.name, *(one.path.name for one in alive)}
    assert not (alive[0].path / STARTED).exists() and (alive[1].path / REPORT).exists()


@pytest.mark.parametrize(
    ("news", "left"),
    [
        (JobStatus.RUNNING, True),
        (JobStatus.UNKNOWN, True),
        (SchedulerUnavailable("No answer."), True),
        (JobStatus.NODE_FAIL, False),
        (None, False),
    ],
)
def test_what_a_worker_has_is_left_to_its_end(
    jobs: Path, make: Make, news: JobStatus | BaseException | None, left: bool
) -> None:
    directory = make(1, started=taken(JOB))
    slurm = Slurm()
    slurm.news = [news]
    sweep(jobs, slurm)
    assert directory.path.exists() == left


def test_another_scheduler_knows_nothing_of_slurms_jobs(jobs: Path, make: Make) -> None:
    directory = make(1, started=taken(JOB))
    scheduler = FakeScheduler()
    scheduler.news = [None]
    sweep(jobs, scheduler)
    assert directory.path.exists() and scheduler.calls == []


def test_it_looks_seldom_and_never_fails(
    jobs: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(jobs, Slurm())  # there is no such directory yet
    directory = make(1)
    sweep(jobs, Slurm())
    assert directory.path.exists()
    monkeypatch.setattr(sweeping, "INTERVAL", 0.0)
    sweep(jobs, Slurm())
    assert not directory.path.exists()


def test_the_jobs_of_runs_that_nobody_waits_for_are_cancelled_first(
    jobs: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, alive = make(1), make(2, alive=True)
    cancelled: list[str] = []

    def cancel_jobs(run_ids: list[str]) -> None:
        assert gone.path.exists() and gone.has_started()
        cancelled.extend(run_ids)

    monkeypatch.setattr(sweeping, "cancel_jobs", cancel_jobs)
    sweep(jobs, Slurm())
    assert cancelled == [gone.path.name]
    assert os.listdir(jobs) == [alive.path.name]


def test_half_a_directory_goes_after_a_day(jobs: Path, make: Make) -> None:
    for number in (1, 2):
        half = make(number, report="{}", started=taken(JOB))
        (half.path / "owner").unlink()
    os.utime(half.path, (0, time.time() - 100_000))
    sweep(jobs, Slurm())
    assert os.listdir(jobs) == [f"{1:016x}"]


def test_a_caller_does_not_wait_for_a_removal(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = JobDirectory.create(jobs, f"{1:016x}")
    may = threading.Event()
    remove = directory.remove

    def slowly() -> None:
        may.wait(10)
        remove()

    monkeypatch.setattr(directory, "remove", slowly)
    remove_soon(directory)
    assert directory.path.exists()
    may.set()
    assert wait_until(lambda: not directory.path.exists(), 5)


def test_without_threads_it_is_removed_at_once(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = JobDirectory.create(jobs, f"{1:016x}")

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    remove_soon(directory)
    assert not directory.path.exists()

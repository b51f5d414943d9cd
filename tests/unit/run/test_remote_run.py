"""One run's life, with a scheduler whose job is played by the test."""

import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm import errors
from cfiddle_slurm.bundle.archive import Member, write_tar
from cfiddle_slurm.bundle.layout import (
    BUNDLE,
    FAILED,
    OUTPUT,
    OUTPUTS,
    OWNER,
    REPORT,
    REQUEST,
    RESULT,
    RESULTS,
    STARTED,
)
from cfiddle_slurm.bundle.manifest import Manifest, unpack_bundle
from cfiddle_slurm.job_directory import JobDirectory as Directory
from cfiddle_slurm.run import remote_run
from cfiddle_slurm.run.remote_run import Returned, execute, last_report
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.sandbox.claim import BEATS
from cfiddle_slurm.schedulers.base import JobStatus
from cfiddle_slurm.schedulers.state_watch import StateWatcher
from cfiddle_slurm.settings import Settings
from tests.patience import wait_for_removals
from tests.unit.stand_ins import JOB, FakeScheduler

TASK = Task("call", {"call": "call.pickle", "full": False}, (Member("call.pickle", b"pickle"),))


def finish(
    folder: Path, value: object = 5, kind: str = "ok", outputs: Mapping[str, bytes] | None = None
) -> None:
    """What the worker's client leaves in the job directory; the report comes last."""
    (folder / STARTED).write_text("{}")
    files = {f"{OUTPUTS}/{name}": data for name, data in (outputs or {}).items()}
    members = {f"{RESULTS}/0": pickle.dumps(("value", value)), **files}
    with (folder / RESULT).open("wb") as stream:
        write_tar(stream, [Member(path, data) for path, data in members.items()])
    outcome = {"kind": kind, "message": "It went wrong.", "signal": "SIGSEGV", "code": None}
    (folder / REPORT).write_text(
        json.dumps({"outcome": outcome, "node": "worker1", "run_id": folder.name})
    )


class Site:
    """A working directory and a jobs directory on one shared home, and a scheduler."""

    def __init__(self, home: Path, scheduler: FakeScheduler) -> None:
        self.home, self.jobs, self.scheduler = home, home / "jobs", scheduler

    def execute(self, task: Task = TASK, **options: Any) -> Returned:
        options = {"jobs_directory": self.jobs, "result_grace": 0.1, "retries": 0, **options}
        return execute(task, Settings(**options))

    def left(self) -> list[str]:
        wait_for_removals(10)
        return [path.name for path in self.jobs.iterdir()] if self.jobs.exists() else []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    scheduler = FakeScheduler(finish)
    watcher = StateWatcher(scheduler, interval=0.01)
    monkeypatch.setattr(remote_run, "scheduler_for", lambda settings: scheduler)
    monkeypatch.setattr(remote_run, "watcher_for", lambda scheduler, settings: watcher)
    monkeypatch.setattr(remote_run, "_reports", remote_run._Reports())
    monkeypatch.setattr(remote_run, "_latest", [])
    monkeypatch.setattr(remote_run, "_RETRY_PAUSE", 0.01)
    work = tmp_path / "home" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return Site(tmp_path / "home", scheduler)


def test_after_success_nothing_is_left(site: Site) -> None:
    outcome = site.execute()
    assert outcome.error is None
    assert outcome.records.values == [5]
    assert (outcome.report.node, outcome.report.scheduler) == ("worker1", "fake")
    assert site.left() == []
    assert site.scheduler.calls == ["submit"]


def test_what_the_worker_finds(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: dict[str, Any] = {}

    def job(folder: Path) -> None:
        found["mode"] = folder.stat().st_mode & 0o777
        found["request"] = json.loads((folder / REQUEST).read_bytes())
        with (folder / BUNDLE).open("rb") as stream:
            found["manifest"] = unpack_bundle(stream, tmp_path, max_bytes=1 << 20)
        finish(folder)

    site.scheduler.job = job
    for name in ("CFIDDLE_FOR_THE_RUN", "CFIDDLE_SLURM_QOS", "A_SECRET"):
        monkeypatch.setenv(name, "x")
    task = Task(TASK.kind, TASK.entry, TASK.members, ("*.csv",))
    site.execute(task, image="lab:1", time_limit=90, memory="1GiB")
    manifest: Manifest = found["manifest"]
    assert (tmp_path / "call.pickle").read_bytes() == b"pickle"
    assert (manifest.kind, manifest.entry, manifest.outputs) == ("call", TASK.entry, ("*.csv",))
    assert set(manifest.versions) == {"python", "cfiddle", "cfiddle_code", "cfiddle_slurm"}
    assert manifest.environment["CFIDDLE_FOR_THE_RUN"] == "x"
    assert not {"A_SECRET", "CFIDDLE_SLURM_QOS"} & set(manifest.environment)
    request = {"image": "lab:1", "wall_seconds": 90.0, "memory_bytes": 1 << 30}
    assert request.items() <= found["request"].items()
    # By them the worker finds the image that was made for this notebook.
    assert found["request"]["versions"] == manifest.versions
    assert found["request"]["run_id"] == manifest.run_id == site.scheduler.folders[0].name
    assert found["mode"] == 0o700


def test_inputs_that_the_site_does_not_allow_are_not_submitted(site: Site, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(3 << 20))
    task = Task(TASK.kind, TASK.entry, (*TASK.members, Member("files/large", large)))
    with pytest.raises(errors.InputError, match=r"inputs take .*, and this site allows 2 MiB"):
        site.execute(task, scheduler="slurm", max_inputs=2 << 20)
    assert site.scheduler.calls == []
    assert site.execute(task, scheduler="slurm", max_inputs=4 << 20).error is None


def test_output_files_come_home(site: Site) -> None:
    site.scheduler.job = lambda folder: finish(folder, outputs={"out/a.csv": b"1,2"})
    site.execute(Task(TASK.kind, TASK.entry, TASK.members, ("out/*.csv",)))
    assert Path("out/a.csv").read_bytes() == b"1,2"


def test_a_run_that_failed_comes_back_with_what_it_had_and_is_kept(site: Site) -> None:
    site.scheduler.job = lambda folder: finish(folder, kind="signal")
    outcome = site.execute()
    error = outcome.error
    assert isinstance(error, errors.Crashed)
    assert outcome.records.values == [5]
    assert error.report is outcome.report is last_report()
    assert (error.signal_name, error.job_id) == ("SIGSEGV", JOB)
    assert site.left() == [error.run_id]
    assert "It went wrong." in (site.jobs / str(error.run_id) / FAILED).read_text()


def test_no_more_failures_are_kept_than_asked_for(site: Site) -> None:
    site.scheduler.job = lambda folder: finish(folder, kind="exited")
    for keep, left in ((2, 1), (2, 2), (2, 2), (1, 1), (0, 0)):
        site.execute(keep_failed=keep)
        assert len(site.left()) == left


def test_a_job_that_ends_without_a_word_is_an_error_and_kept(site: Site) -> None:
    site.scheduler.job = lambda folder: None
    site.scheduler.news = [JobStatus.NODE_FAIL]
    with pytest.raises(errors.NodeFailed) as caught:
        site.execute()
    assert site.left() == [caught.value.run_id]
    assert f"cancel {JOB}" in site.scheduler.calls


@pytest.mark.parametrize("kind", ["unavailable", "busy"])
def test_a_run_whose_machine_failed_is_tried_again(
    site: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = iter([kind, "ok"])
    site.scheduler.job = lambda folder: finish(folder, kind=next(kinds))
    outcome = site.execute(retries=1)
    assert outcome.error is None
    assert len(set(site.scheduler.folders)) == 2
    assert "Trying once more." in capsys.readouterr().err


def test_a_node_that_failed_is_tried_again_and_the_last_failure_counts(site: Site) -> None:
    site.scheduler.job = lambda folder: None
    site.scheduler.news = [JobStatus.NODE_FAIL]
    with pytest.raises(errors.NodeFailed) as caught:
        site.execute(retries=2)
    assert len(site.scheduler.folders) == 3
    assert caught.value.run_id == site.scheduler.folders[-1].name


def test_a_run_that_was_withdrawn_is_tried_again_and_not_withdrawn_twice(site: Site) -> None:
    owners: list[str] = []

    def job(folder: Path) -> None:
        owners.append((folder / OWNER).read_text())
        finish(folder, kind="withdrawn" if len(owners) == 1 else "ok")

    site.scheduler.job = job
    assert site.execute(retries=2).error is None
    assert [BEATS in owner for owner in owners] == [True, False]


def test_another_attempt_avoids_the_node_that_failed(site: Site) -> None:
    kinds = iter(["unavailable", "ok"])
    site.scheduler.job = lambda folder: finish(folder, kind=next(kinds))
    site.execute(retries=1)
    assert site.scheduler.avoided == ["worker1"]


def test_where_slurm_has_no_other_node_the_same_one_is_tried(site: Site) -> None:
    tried: list[str] = []

    def job(folder: Path) -> None:
        tried.append(site.scheduler.submitted.sbatch_options[0])
        if tried[-1] == "--exclude=worker1":
            raise errors.SubmissionError("Slurm refused the job: no such configuration.")
        finish(folder, kind="unavailable" if len(tried) == 1 else "ok")

    site.scheduler.job = job
    site.scheduler.elsewhere = Settings(
        jobs_directory=site.jobs, result_grace=0.1, sbatch_options=("--exclude=worker1",)
    )
    assert site.execute(retries=1, sbatch_options=("--comment=mine",)).error is None
    assert tried == ["--comment=mine", "--exclude=worker1", "--comment=mine"]


@pytest.mark.parametrize("kind", ["signal", "exited", "memory", "wall_time", "guest_error"])
def test_a_run_that_failed_by_itself_is_not_tried_again(site: Site, kind: str) -> None:
    site.scheduler.job = lambda folder: finish(folder, kind=kind)
    assert site.execute(retries=5).error is not None
    assert len(site.scheduler.folders) == 1


def test_a_job_that_waits_too_long_is_cancelled(site: Site) -> None:
    site.scheduler.job = lambda folder: None
    site.scheduler.news = [JobStatus.PENDING, JobStatus.CANCELLED]
    with pytest.raises(errors.QueueTimeout):
        site.execute(queue_timeout=0.05)
    assert f"cancel {JOB}" in site.scheduler.calls


def test_a_refused_submission_leaves_no_job_to_wait_for(site: Site) -> None:
    def refuse(folder: Path) -> None:
        raise errors.SubmissionError("Slurm refused the job: no.")

    site.scheduler.job = refuse
    with pytest.raises(errors.SubmissionError) as caught:
        site.execute()
    assert site.scheduler.calls == ["submit"]
    assert site.left() == [caught.value.run_id]


@pytest.mark.parametrize("input_", ["vanished", "/dev/null"])
def test_what_cannot_be_sent_is_never_submitted(site: Site, input_: str) -> None:
    with pytest.raises(errors.InputError):
        site.execute(Task(TASK.kind, TASK.entry, (Member("files/x", Path(input_)),)))
    assert site.scheduler.calls == []
    assert site.left() == []


def cut_off(folder: Path, kind: str) -> None:
    """What is left of a process that was ended while it wrote its second record."""
    finish(folder, kind=kind)
    record = pickle.dumps(("value", 5))
    with (folder / RESULT).open("wb") as stream:
        write_tar(stream, [Member(f"{RESULTS}/0", record + record[:-3])])


def test_results_that_are_cut_off_are_told_of(site: Site) -> None:
    site.scheduler.job = lambda folder: cut_off(folder, "wall_time")
    error = site.execute().error
    assert isinstance(error, errors.WallTimeLimit) and "cut off" in error.hint
    site.scheduler.job = lambda folder: finish(folder, kind="wall_time")
    error = site.execute().error
    assert error is not None and "cut off" not in error.hint


def test_a_run_that_says_it_is_whole_and_is_cut_off_is_rejected(site: Site) -> None:
    site.scheduler.job = lambda folder: cut_off(folder, "ok")
    outcome = site.execute()
    assert isinstance(outcome.error, errors.ResultRejected)
    assert "cut off" in outcome.error.message and outcome.records.values == [5]


@pytest.mark.parametrize(("kind", "error"), [("ok", "InputError"), ("signal", "Crashed")])
def test_an_output_file_without_a_place_does_not_lose_the_measurement(
    site: Site, capsys: pytest.CaptureFixture[str], kind: str, error: str
) -> None:
    Path("taken").mkdir()
    site.scheduler.job = lambda folder: finish(
        folder, kind=kind, outputs={"taken": b"x", "other": b"y"}
    )
    outcome = site.execute(Task(TASK.kind, TASK.entry, TASK.members, outputs=("*",)))
    assert type(outcome.error).__name__ == error and outcome.records.values == [5]
    assert Path("other").read_bytes() == b"y"
    # How the run ended comes first; the rest is told all the same.
    assert ("'taken'" in capsys.readouterr().err) == (kind == "signal")


def test_results_that_were_not_asked_for_are_rejected_and_kept(site: Site) -> None:
    site.scheduler.job = lambda folder: finish(folder, outputs={".bashrc": b"echo hello"})
    with pytest.raises(errors.ResultRejected) as caught:
        site.execute()
    assert list(Path().iterdir()) == []
    assert site.left() == [caught.value.run_id]
    assert last_report() is None


@pytest.fixture
def interrupted(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The user presses Ctrl-C while the run is waited for."""

    def report(directory: Directory) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Directory, "report", report)
    return site


def test_stop_cancels_the_job_and_waits_until_it_is_gone(interrupted: Site) -> None:
    interrupted.scheduler.news = [JobStatus.RUNNING, JobStatus.COMPLETING, JobStatus.CANCELLED]
    with pytest.raises(KeyboardInterrupt):
        interrupted.execute()
    assert interrupted.scheduler.calls == ["submit", f"cancel {JOB}", *["states"] * 3]
    assert interrupted.left() == []


def test_a_cancelled_job_that_slurm_does_not_know_is_gone(
    interrupted: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted.scheduler.news = [None]
    with pytest.raises(KeyboardInterrupt):
        interrupted.execute()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("news", "words"),
    [
        (errors.SchedulerUnavailable("Slurm is away."), "Slurm is away."),
        (JobStatus.RUNNING, ""),
        (KeyboardInterrupt(), ""),
    ],
)
def test_stop_is_never_hidden_by_a_job_that_does_not_end(
    interrupted: Site,
    news: JobStatus | BaseException,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_run, "_CANCEL_SECONDS", 0.2)
    interrupted.scheduler.news = [news]
    with pytest.raises(KeyboardInterrupt):
        interrupted.execute()
    told = capsys.readouterr().err
    assert words in told
    assert f"look with: squeue --jobs={JOB}" in told


def test_a_jobs_directory_off_the_shared_home_is_refused_before_anything_is_submitted(
    site: Site, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    jobs = site.home / "link" / "jobs"
    jobs.parent.symlink_to(elsewhere)
    with pytest.raises(errors.InputError, match="is not on the shared home") as caught:
        site.execute(scheduler="slurm", shared_root=site.home, jobs_directory=jobs)
    assert str(site.home) in caught.value.hint and "jobs_directory" in caught.value.hint
    assert site.scheduler.calls == []
    assert not jobs.exists()


def test_the_working_directory_may_be_anywhere(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    returned = site.execute(scheduler="slurm", shared_root=site.home)
    assert returned.error is None


def test_output_that_could_not_be_shown_is_kept(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def printing(directory: Path) -> None:
        (directory / OUTPUT).write_text("words")
        finish(directory)

    site.scheduler.job = printing
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        returned = site.execute(keep_failed=5)
    assert returned.error is None, "the measurement is not lost"
    (kept,) = site.left()
    assert (site.jobs / kept / OUTPUT).read_text() == "words"
    assert kept in capsys.readouterr().err


def test_places_are_looked_at_only_where_machines_share_them(site: Site, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(site.home)
    for options in (
        {"scheduler": "slurm", "shared_root": site.home},
        {"scheduler": "slurm", "shared_root": tmp_path / "link"},
        {"scheduler": "slurm", "shared_root": None},
        {"scheduler": "local", "shared_root": tmp_path / "elsewhere"},
    ):
        assert site.execute(**options).records.values == [5]


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_each_thread_has_its_own_last_report(site: Site) -> None:
    seen: dict[str, object] = {"before": last_report()}
    mine = site.execute().report

    def other() -> None:
        seen["before a run of its own"] = last_report()
        seen["run"] = site.execute().report
        seen["after"] = last_report()

    in_a_thread(other)
    in_a_thread(lambda: seen.update(latest=last_report()))
    assert seen["before"] is None
    assert seen["before a run of its own"] is mine
    assert seen["after"] is seen["run"] is seen["latest"] is not mine
    assert last_report() is mine


def test_the_stages_of_a_run_are_timed_by_one_clock(site: Site) -> None:
    def job(folder: Path) -> None:
        finish(folder)
        submitted = (folder / REQUEST).stat().st_mtime
        for name, seconds in ((REQUEST, -20), (STARTED, -13), (REPORT, -3)):
            os.utime(folder / name, (0, submitted + seconds))

    site.scheduler.job = job
    report = site.execute().report
    assert report.queue_seconds == pytest.approx(7)
    assert report.return_seconds is not None and 3 <= report.return_seconds < 60
    assert report.total_seconds == pytest.approx(17 + report.return_seconds)

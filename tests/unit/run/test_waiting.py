"""Waiting for a run, on a clock of the test's own: hours take no time."""

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import errors
from cfiddle_slurm.bundle.layout import OUTPUT, REPORT, STARTED
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.printable import Live
from cfiddle_slurm.run import waiting
from cfiddle_slurm.run.waiting import LiveOutput, Wait
from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.schedulers.state_watch import StateWatch
from cfiddle_slurm.settings import Settings
from tests.unit.stand_ins import JOB, FakeScheduler, job_state

DONE = {"outcome": {"kind": "ok"}}
LONG = 20_000.0
"""Seconds after which a test gives a wait up: nothing waits that long here."""


class Clock:
    """Stands for the module ``time``; things happen at their times while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        self._plans.append((seconds, act))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        assert self.now < LONG, "the wait does not end"
        for plan in [plan for plan in self._plans if plan[0] <= self.now]:
            self._plans.remove(plan)
            plan[1]()


class Told(StateWatch):
    """What Slurm says, as a test decides."""

    def __init__(self) -> None:
        self.state: JobState | None = None
        self.words: str | None = None
        self.asked = 0
        self.misses = 0

    @property
    def trouble(self) -> str | None:
        return self.words

    def latest(self) -> JobState | None:
        self.asked += 1
        return self.state

    def missed(self) -> int:
        return self.misses

    def say(self, status: JobStatus | None, reason: str = "") -> None:
        self.state = None if status is None else job_state(status, reason)


class Stage:
    """One wait, its job directory, its clock and its Slurm."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self.clock, self.told = path, clock, Told()
        self.reasons: dict[str, str] = {}

    def write(self, name: str, content: str = "{}") -> None:
        (self.path / name).write_text(content)

    def report(self) -> None:
        self.write(REPORT, json.dumps(DONE))

    def wait(self, **options: object) -> dict[str, object]:
        settings = Settings(**options)  # type: ignore[arg-type]
        scheduler = FakeScheduler()
        scheduler.reasons = self.reasons
        return Wait(JobDirectory(self.path), settings, scheduler, self.told, JOB).for_report()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return Stage(tmp_path, clock)


def test_a_report_that_is_there_is_taken_without_asking_slurm(stage: Stage) -> None:
    stage.report()
    assert stage.wait() == DONE
    assert stage.told.asked == 0
    assert stage.clock.pauses == []


def test_what_is_no_report_is_rejected_with_the_job_named(stage: Stage) -> None:
    stage.write(REPORT, "[1, 2")
    with pytest.raises(errors.ResultRejected, match="report cannot be read") as caught:
        stage.wait()
    assert caught.value.job_id == JOB


def test_the_file_comes_before_what_slurm_says(stage: Stage) -> None:
    stage.told.say(JobStatus.FAILED)
    stage.clock.at(3, stage.report)
    assert stage.wait() == DONE


@pytest.mark.parametrize("status", [None, JobStatus.UNKNOWN, JobStatus.COMPLETING])
@pytest.mark.parametrize("started", [True, False])
def test_what_is_not_final_keeps_waiting(
    stage: Stage, status: JobStatus | None, started: bool
) -> None:
    if started:
        stage.write(STARTED)
    stage.told.say(status)
    stage.clock.at(4000, stage.report)
    assert stage.wait() == DONE


def test_a_job_that_slurm_has_lost_is_given_up_and_cannot_start_any_more(stage: Stage) -> None:
    stage.told.say(JobStatus.PENDING)
    stage.clock.at(100, lambda: setattr(stage.told, "misses", 2))  # it may be a hiccup
    stage.clock.at(300, lambda: setattr(stage.told, "misses", 3))
    with pytest.raises(errors.JobLost, match="has lost the job") as caught:
        stage.wait()
    assert caught.value.transient and caught.value.job_id == JOB
    assert stage.clock.now >= 300
    assert (stage.path / STARTED).exists()


def test_a_job_whose_id_was_given_to_another_run_is_lost(stage: Stage) -> None:
    stage.told.state = replace(job_state(JobStatus.FAILED), run_id="0123456789abcdef")
    with pytest.raises(errors.JobLost):
        stage.wait()


def test_a_lost_job_that_has_ended_well_is_not_lost(stage: Stage) -> None:
    stage.told.misses = 3
    stage.report()
    assert stage.wait() == DONE


@pytest.mark.parametrize("errno_", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_job_without_a_report_on_a_home_that_is_full_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, errno_: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno_, os.strerror(errno_))

    monkeypatch.setattr(os, "fsync", full)
    stage.told.say(JobStatus.FAILED)
    with pytest.raises(errors.HomeUnwritable, match=r"shared home is (full|read-only)") as caught:
        stage.wait()
    assert (caught.value.job_id, caught.value.node) == (JOB, "worker1")
    assert not caught.value.transient
    assert not (stage.path / ".probe").exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [(None, "its state is not known"), (JobStatus.UNKNOWN, "it is unknown for no reason")],
)
def test_a_wait_without_a_known_state_is_told(
    stage: Stage, status: JobStatus | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.told.say(status)
    stage.clock.at(60, stage.report)
    stage.wait()
    assert capsys.readouterr().err == f"cfiddle_slurm: job {JOB}: {words}\n"


@pytest.mark.parametrize(
    ("status", "grace", "error"),
    [
        (JobStatus.COMPLETED, 60.0, errors.ResultMissing),
        (JobStatus.FAILED, 5.0, errors.NodeFailed),
        (JobStatus.NODE_FAIL, 5.0, errors.NodeFailed),
        (JobStatus.CANCELLED, 5.0, errors.Cancelled),
        (JobStatus.TIMEOUT, 5.0, errors.WallTimeLimit),
        (JobStatus.OUT_OF_MEMORY, 5.0, errors.OutOfMemory),
    ],
)
def test_after_a_final_state_the_file_has_a_bounded_time(
    stage: Stage, status: JobStatus, grace: float, error: type[errors.CFiddleSlurmError]
) -> None:
    stage.clock.at(1000, lambda: stage.told.say(status))
    with pytest.raises(error) as caught:
        stage.wait(result_grace=60)
    assert 1000 + grace < stage.clock.now < 1000 + grace + 5
    assert (caught.value.job_id, caught.value.node) == (JOB, "worker1")


def test_no_grace_is_longer_than_the_setting(stage: Stage) -> None:
    stage.told.say(JobStatus.FAILED)
    with pytest.raises(errors.NodeFailed):
        stage.wait(result_grace=2)
    assert 2 < stage.clock.now < 4


def test_a_job_that_slurm_starts_again_is_waited_for(stage: Stage) -> None:
    stage.told.say(JobStatus.NODE_FAIL)
    stage.clock.at(4, lambda: stage.told.say(JobStatus.PENDING))
    stage.clock.at(100, lambda: stage.told.say(JobStatus.NODE_FAIL))
    with pytest.raises(errors.NodeFailed):
        stage.wait()
    assert stage.clock.now > 105


def test_a_last_look_past_the_network_file_systems_memory(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may believe that a file is absent until it changes the directory itself."""
    hidden: list[float] = []

    def refresh(directory: JobDirectory) -> None:
        hidden.append(stage.clock.now)
        if stage.clock.now > 60:
            stage.report()

    monkeypatch.setattr(JobDirectory, "refresh", refresh)
    stage.told.say(JobStatus.COMPLETED)
    assert stage.wait() == DONE
    assert len(hidden) > 1


def test_a_job_that_does_not_start_in_time_is_given_up_with_slurms_reason(stage: Stage) -> None:
    stage.told.say(JobStatus.PENDING, "Resources")
    with pytest.raises(errors.QueueTimeout, match=r"within 90 seconds.*pending for Res") as caught:
        stage.wait(queue_timeout=90)
    assert 90 < stage.clock.now < 95
    assert caught.value.transient
    assert caught.value.job_id == JOB


def test_the_queue_timeout_is_over_when_the_job_starts(stage: Stage) -> None:
    stage.told.say(JobStatus.PENDING, "Resources")
    stage.clock.at(80, lambda: stage.write(STARTED))
    stage.clock.at(5000, stage.report)
    assert stage.wait(queue_timeout=90) == DONE


def test_without_a_queue_timeout_the_wait_has_no_end_of_its_own(stage: Stage) -> None:
    stage.told.say(JobStatus.PENDING, "Resources")
    stage.clock.at(6000, stage.report)
    assert stage.wait() == DONE


def test_each_reason_to_wait_is_told_once(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.told.say(JobStatus.PENDING, "Resources")
    stage.clock.at(50, lambda: stage.told.say(JobStatus.PENDING, "Priority"))
    stage.clock.at(100, lambda: stage.write(STARTED))
    stage.clock.at(200, stage.report)
    stage.wait()
    told = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in told] == ["Resources", "Priority"]


def test_a_short_wait_is_not_worth_a_word(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.told.say(JobStatus.PENDING, "Resources")
    stage.clock.at(2, stage.report)
    stage.wait()
    stage.path.joinpath(REPORT).unlink()
    stage.clock.at(stage.clock.now + 60, stage.report)
    stage.wait(show_output=False)
    assert capsys.readouterr() == ("", "")


def test_it_looks_often_at_first_and_more_rarely_later(stage: Stage) -> None:
    stage.clock.at(100, lambda: stage.write(STARTED))
    stage.clock.at(200, stage.report)
    stage.wait(poll_fast=0.02, poll_slow=0.8)
    pauses = stage.clock.pauses
    again = pauses.index(0.02, pauses.index(0.8))  # fast again when the job has started
    for part in (pauses[:again], pauses[again:]):
        assert part == sorted(part)
        assert (part[0], part[-1]) == (0.02, 0.8)


def test_what_is_printed_is_shown_meanwhile_and_all_of_it_at_the_end(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_OUTPUT_CHUNK", 6)
    seen: list[str] = []

    def end() -> None:
        seen.append(capsys.readouterr().out)
        stage.write(OUTPUT, "first\nthe last words")
        stage.report()

    stage.clock.at(1, lambda: stage.write(OUTPUT, "first\n"))
    stage.clock.at(10, end)
    stage.wait()
    assert seen == ["first\n"]
    assert capsys.readouterr().out == "the last words"


class Printed(JobDirectory):
    """A job directory whose output grows as a test decides."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.data = b""

    def output_since(self, offset: int, limit: int) -> bytes:
        return self.data[offset : offset + limit]


def shown(pieces: list[bytes], *, is_shown: bool = True) -> list[str]:
    """What appears after each piece, and at the end."""
    printed = Printed()
    output = LiveOutput(printed, shown=is_shown)
    found = []
    for piece in [*pieces, b""]:
        printed.data += piece
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            output.show(to_the_end=piece == b"")
        found.append(stream.getvalue())
    return found


class Closed:
    """A standard output without ``flush``."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def test_a_standard_output_without_flush_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    printed, bare = Printed(), Closed()
    printed.data = b"words"
    monkeypatch.setattr(sys, "stdout", bare)
    LiveOutput(printed, shown=True).show(to_the_end=True)
    assert bare.text == "words" and printed.kept_for is None


@pytest.mark.parametrize("what", ["none", "closed", "full"])
def test_a_standard_output_that_takes_nothing_ends_no_run(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream: Any = None
    if what != "none":
        stream = Path("/dev/full").open("w")  # noqa: SIM115 - closing it is what fails
    if what == "closed":
        stream.close()
    printed = Printed()
    printed.data = b"words"
    output = LiveOutput(printed, shown=True)
    monkeypatch.setattr(sys, "stdout", stream)
    output.show()
    output.show(to_the_end=True)
    monkeypatch.undo()
    assert printed.kept_for is not None
    assert capsys.readouterr().err.count("output.log") == 1, "said once"
    if what == "full":
        with contextlib.suppress(OSError):
            stream.close()


def test_half_a_character_waits_for_its_other_half() -> None:
    assert shown([b"a\xc3", b"\xa9b"]) == ["a", "\u00e9b", ""]
    assert shown([b"a\xe2\x82"]) == ["a", "\ufffd"]


def test_nothing_is_shown_that_is_not_to_be_shown() -> None:
    assert shown([b"a", b"b"], is_shown=False) == ["", "", ""]


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=6))
def test_any_bytes_in_any_pieces_are_shown_once(pieces: list[bytes]) -> None:
    whole = b"".join(pieces).decode(errors="replace")
    assert "".join(shown(pieces)) == Live().shown(whole, final=True)


def test_no_command_for_a_terminal_is_shown_in_whatever_pieces_it_comes() -> None:
    said = b"\x1b]0;title\x07a\x1b[2J\x1b[31mred\r\b\t\n\x9b2J\xc2\x9b2J"
    right = "\\x1b]0;title\\x07a\\x1b[2J\x1b[31mred\r\b\t\n\ufffd2J\\x9b2J"
    for pieces in ([said], [bytes([one]) for one in said]):
        assert "".join(shown(pieces)) == right + "\x1b[0m"  # it had left its colour on


def test_a_flood_is_shown_a_bounded_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_OUTPUT_CHUNK", 4)
    assert shown([b"0123456789"]) == ["0123", "456789"]


@pytest.mark.parametrize(
    ("reason", "started", "error"),
    [
        ("Prolog error", False, errors.NodeFailed),
        ("cfiddle: Docker\x1b does not answer", False, errors.NodeFailed),
        ("", False, errors.Cancelled),  # the student's own scancel, or the administrator's
        ("Prolog error", True, errors.Cancelled),
    ],
)
def test_a_job_that_its_worker_could_not_start_was_not_cancelled_by_anybody(
    stage: Stage, reason: str, started: bool, error: type[errors.CFiddleSlurmError]
) -> None:
    stage.told.say(JobStatus.CANCELLED)
    if started:
        stage.write(STARTED)
    if reason:
        stage.reasons["worker1"] = reason
    with pytest.raises(error) as caught:
        stage.wait()
    assert caught.value.node == "worker1"
    assert caught.value.transient is (error is errors.NodeFailed)
    assert "\x1b" not in str(caught.value)

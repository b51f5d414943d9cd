"""One question for all who wait, on a clock of the test's own."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.schedulers import state_watch as watching
from cfiddle_slurm.schedulers.base import JobState, JobStatus, advance
from cfiddle_slurm.schedulers.state_watch import StateWatch, StateWatcher
from tests.unit.stand_ins import FakeScheduler

INTERVAL = 5.0
PATIENCE = 30.0
"""Seconds after which a thread that should end is taken for one that hangs."""


def state(job_id: str, status: JobStatus, raw: str = "") -> JobState:
    return JobState(job_id, status, raw or status.name)


class Slurm(FakeScheduler):
    """Says of every job what a test decides, and may take its time.

    Attributes:
        questions: the jobs of each question.
        status: what all jobs are; an error is raised, None stands for jobs that are not known.
        answers: unset, a question waits until it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[list[str]] = []
        self.status: JobStatus | Exception | None = JobStatus.RUNNING
        self.also: dict[str, JobState] = {}
        self.answers, self.asked = threading.Event(), threading.Event()
        self.answers.set()

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        self.questions.append(list(job_ids))
        self.asked.set()
        assert self.answers.wait(PATIENCE)
        status = self.status
        if isinstance(status, Exception):
            raise status
        return self.also if status is None else {job: state(job, status) for job in job_ids}


class Clock:
    """Stands for the module ``time``."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def later(self, seconds: float = INTERVAL) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(watching, "time", made)
    return made


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    made = Slurm()
    yield made
    made.answers.set()


@pytest.fixture
def watcher(slurm: Slurm, clock: Clock) -> StateWatcher:
    return StateWatcher(slurm, INTERVAL)


def answered() -> None:
    """Wait until no question is under way."""
    for thread in threading.enumerate():
        if thread.name == "cfiddle-states":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def news(watch: StateWatch) -> JobStatus | None:
    """What a watch knows after the question that it may have started."""
    watch.latest()
    answered()
    latest = watch.latest()
    return None if latest is None else latest.status


def test_many_waiting_jobs_are_asked_for_in_one_question(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    jobs = sorted(str(number) for number in range(200))
    with ExitStack() as stack:
        watches = [stack.enter_context(watcher.watching(job)) for job in jobs]
        assert [watch.latest() for watch in watches] == [None] * 200
        assert slurm.questions == []
        clock.later()
        for _ in range(3):
            assert {news(watch) for watch in watches} == {JobStatus.RUNNING}
        assert slurm.questions == [jobs]
        clock.later(INTERVAL - 0.01)
        news(watches[0])
        assert len(slurm.questions) == 1
        clock.later(0.01)
        news(watches[0])
        assert slurm.questions == [jobs, jobs]


def test_a_slow_slurm_holds_nobody_up_and_is_asked_once(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    slurm.answers.clear()
    with watcher.watching("1") as one, watcher.watching("2") as two:
        clock.later()
        for _ in range(50):
            clock.later()
            assert (one.latest(), two.latest()) == (None, None)
        assert slurm.asked.wait(PATIENCE)
        slurm.answers.set()
        answered()
        assert slurm.questions == [["1", "2"]]
        assert one.latest() == state("1", JobStatus.RUNNING)
    answered()


def test_no_thread_outlives_the_waits(watcher: StateWatcher, clock: Clock) -> None:
    before = set(threading.enumerate())
    with watcher.watching("1") as watch:
        clock.later()
        news(watch)
    assert set(threading.enumerate()) <= before


def test_late_news_never_takes_a_job_back(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    known = []
    with watcher.watching("1") as watch:
        for slurm.status in (
            JobStatus.PENDING, JobStatus.UNKNOWN, JobStatus.RUNNING, JobStatus.PENDING,
            JobStatus.CANCELLED, JobStatus.RUNNING, JobStatus.COMPLETED,
        ):  # fmt: skip
            clock.later()
            known.append(news(watch))
    assert known == [
        JobStatus.PENDING, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.RUNNING,
        JobStatus.CANCELLED, JobStatus.CANCELLED, JobStatus.CANCELLED,
    ]  # fmt: skip


def test_late_news_never_takes_a_job_back_whoever_asks(watcher: StateWatcher, slurm: Slurm) -> None:
    with watcher.watching("1") as watch:
        slurm.status = JobStatus.CANCELLED
        watch.refresh(PATIENCE)
        slurm.status = JobStatus.RUNNING
        assert watch.refresh(PATIENCE) == state("1", JobStatus.CANCELLED)


def test_a_slurm_that_does_not_answer_ends_no_wait(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    with watcher.watching("1") as watch:
        assert watch.trouble is None
        for status in (JobStatus.RUNNING, SchedulerUnavailable("It is down."), None):
            slurm.status = status
            clock.later()
            assert news(watch) is JobStatus.RUNNING
            assert watch.trouble == ("It is down." if isinstance(status, Exception) else None)
        assert len(slurm.questions) == 3


def test_answers_that_know_nothing_of_a_job_are_counted(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    down = SchedulerUnavailable("It is down.")
    with watcher.watching("1") as watch:
        for status, missed in ((None, 1), (None, 2), (down, 2), (JobStatus.PENDING, 0), (None, 1)):
            slurm.status = status
            clock.later()
            news(watch)
            assert watch.missed() == missed
    with watcher.watching("1") as watch:
        assert watch.missed() == 0


def test_an_id_that_is_given_again_is_another_job() -> None:
    old, new = (replace(state("1", status), run_id=run) for status, run in (
        (JobStatus.COMPLETED, "a"), (JobStatus.PENDING, "b")))  # fmt: skip
    assert advance(old, new) is new and not new.is_of("a") and new.is_of("b")


def test_after_no_answer_slurm_is_left_alone_for_a_while(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    slurm.status = SchedulerUnavailable("It is down.")
    with watcher.watching("1") as watch:
        clock.later()
        for _ in range(10):
            assert news(watch) is None
    assert len(slurm.questions) == 1


def test_who_asks_at_once_is_told_when_nobody_answers(watcher: StateWatcher, slurm: Slurm) -> None:
    with watcher.watching("1") as watch:
        slurm.status = SchedulerUnavailable("It is down.")
        with pytest.raises(SchedulerUnavailable, match="It is down"):
            watch.refresh(PATIENCE)
        slurm.status = JobStatus.COMPLETED
        assert watch.refresh(PATIENCE) == state("1", JobStatus.COMPLETED)
        assert watch.latest() == state("1", JobStatus.COMPLETED)
        slurm.status = None
        assert watch.refresh(PATIENCE) is None


def test_who_asks_at_once_does_not_wait_for_a_hanging_question(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    with watcher.watching("1") as watch:
        clock.later()
        news(watch)
        slurm.answers.clear()
        clock.later()
        watch.latest()
        with pytest.raises(SchedulerUnavailable, match="no answer"):
            watch.refresh(0)
        assert watch.latest() == state("1", JobStatus.RUNNING)
        slurm.answers.set()
        answered()
    assert len(slurm.questions) == 2


def test_a_thread_that_cannot_be_started_leaves_the_way_free(
    watcher: StateWatcher, slurm: Slurm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with watcher.watching("1") as watch:
        clock.later()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", full)
            assert watch.latest() is None
        clock.later()
        assert news(watch) is JobStatus.RUNNING


def test_who_has_left_is_not_asked_for_and_forgotten(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    def interrupted() -> None:
        with watcher.watching("2") as two:
            clock.later()
            news(two)
            raise KeyboardInterrupt

    with watcher.watching("1") as one:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        clock.later()
        news(one)
        with watcher.watching("2") as two:
            assert two.latest() is None
    clock.later(100)
    # Nobody waits: there is nothing to ask. And who comes first waits as long as all others did.
    with watcher.watching("3") as three:
        assert news(three) is None
    assert three.refresh(PATIENCE) is None
    assert slurm.questions == [["1", "2"], ["1"]]


def test_two_who_wait_for_one_job_leave_one_by_one(
    watcher: StateWatcher, slurm: Slurm, clock: Clock
) -> None:
    with watcher.watching("1") as one:
        with watcher.watching("1"):
            clock.later()
            news(one)
        assert one.latest() == state("1", JobStatus.RUNNING)
        clock.later()
        news(one)
    assert slurm.questions == [["1"], ["1"]]


@pytest.mark.parametrize("leaves", [True, False])
def test_an_answer_that_nobody_waits_for_is_not_kept(
    watcher: StateWatcher, slurm: Slurm, clock: Clock, leaves: bool
) -> None:
    slurm.answers.clear()
    slurm.status, slurm.also = None, {"2": state("2", JobStatus.COMPLETED)}
    with watcher.watching("1") as one:
        with watcher.watching("2" if leaves else "3"):
            clock.later()
            one.latest()
            assert slurm.asked.wait(PATIENCE)
        slurm.answers.set()
        answered()
        with watcher.watching("2") as again:
            assert again.latest() is None


STATES = st.builds(state, st.just("1"), st.sampled_from(JobStatus), st.sampled_from(["a", "b"]))


@given(STATES, STATES)
def test_the_later_of_two_states(old: JobState, new: JobState) -> None:
    found = advance(old, new)
    assert advance(None, new) is new
    if old.status.final or new.status is JobStatus.UNKNOWN:
        assert found is old
    elif new.status.value >= old.status.value:
        assert found is new
    else:
        assert found is old

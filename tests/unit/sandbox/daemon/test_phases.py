"""The course of a run through its phases: which clock counts when."""

import pytest

from cfiddle_slurm.sandbox.daemon.phases import DRAIN_SECONDS, Course, Phase
from cfiddle_slurm.sandbox.daemon.verdict import End
from cfiddle_slurm.sandbox.policy import Limits, Policy

POLICY = Policy(progress_seconds=10, wall_seconds=60)
LIMITS = Limits("a", 1 << 30, 20, 1)


@pytest.fixture
def course() -> Course:
    return Course(POLICY, LIMITS, 100)


def test_while_the_bundle_comes_the_caller_is_to_go_on(course: Course) -> None:
    assert course.deadline(unsent=False) == (110, End.CALLER_SILENT)
    course.progress(105)
    assert course.deadline(unsent=False) == (115, End.CALLER_SILENT)
    course.progress(155)
    assert course.deadline(unsent=False) == (160, End.CALLER_SILENT), "drop by drop is no way"


def test_while_the_experiment_runs_its_own_time_counts(course: Course) -> None:
    course.enter(Phase.RUNNING, 105)
    course.progress(110)
    assert course.deadline(unsent=True) == (125, End.WALL_TIME)
    assert course.run_seconds(112) == 7


def test_while_results_come_the_caller_is_to_take_them(course: Course) -> None:
    course.enter(Phase.RUNNING, 105)
    course.enter(Phase.RESULTS, 120)
    assert course.deadline(unsent=False) == (130, End.CALLER_SILENT)
    course.progress(128)
    assert course.deadline(unsent=True) == (138, End.CALLER_SILENT)
    assert course.run_seconds(150) == 15, "the way home is not the experiment's"


def test_after_its_farewell_the_guest_is_to_end(course: Course) -> None:
    for phase, now in ((Phase.RUNNING, 105), (Phase.RESULTS, 106), (Phase.FAREWELL, 108)):
        course.enter(phase, now)
    assert course.deadline(unsent=False) == (108 + DRAIN_SECONDS, End.GUEST_DONE)
    assert course.deadline(unsent=True) == (116, End.CALLER_SILENT), "the caller has not taken all"
    assert course.run_seconds(150) == 1


def test_a_phase_that_goes_on_is_not_begun_again(course: Course) -> None:
    for now in (105, 107):
        course.enter(Phase.RUNNING, now)
    assert course.run_seconds(110) == 5
    for now in (112, 118):
        course.enter(Phase.RESULTS, now)
    assert course.deadline(unsent=False) == (122, End.CALLER_SILENT)


def test_a_guest_that_fails_before_it_has_its_bundle_never_ran(course: Course) -> None:
    course.enter(Phase.RESULTS, 101)
    course.enter(Phase.RUNNING, 105)
    assert course.phase is Phase.RESULTS
    assert course.run_seconds(110) == 0

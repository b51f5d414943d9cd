"""How a run ended, and the error that tells of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import errors
from cfiddle_slurm.errors import CFiddleSlurmError
from cfiddle_slurm.run.outcomes import error_of_outcome, error_of_state
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.schedulers.base import JobState, JobStatus

KINDS: dict[str, type[CFiddleSlurmError]] = {
    "signal": errors.Crashed,
    "exited": errors.Exited,
    "cpu_time": errors.CpuTimeLimit,
    "wall_time": errors.WallTimeLimit,
    "memory": errors.OutOfMemory,
    "processes": errors.TooManyProcesses,
    "scratch": errors.ScratchFull,
    "output": errors.OutputLimit,
    "result_size": errors.ResultLimit,
    "cancelled": errors.Cancelled,
    "refused": errors.SandboxRefused,
    "busy": errors.SandboxBusy,
    "unavailable": errors.SandboxUnavailable,
    "version_mismatch": errors.VersionMismatch,
    "guest_error": errors.SandboxUnavailable,
    "home": errors.HomeUnwritable,
    "withdrawn": errors.Withdrawn,
}
MACHINES_FAULTS = {"busy", "unavailable", "withdrawn"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def error_of(outcome: object, **place: object) -> CFiddleSlurmError:
    error = error_of_outcome({"outcome": outcome, **place})
    assert error is not None
    return error


def test_a_run_that_went_well_has_no_error() -> None:
    assert error_of_outcome({"outcome": {"kind": "ok", "message": "all is well"}}) is None


def test_every_other_ending_is_listed_here() -> None:
    assert set(KINDS) | {"ok"} == {kind.value for kind in OutcomeKind}


@pytest.mark.parametrize("kind", KINDS)
def test_each_ending_has_its_error(kind: str) -> None:
    error = error_of({"kind": kind, "message": "It ended."}, job_id="7", node="w1", run_id="ab")
    assert type(error) is KINDS[kind]
    assert error.message == "It ended."
    assert (error.job_id, error.node, error.run_id) == ("7", "w1", "ab")
    # Only what the machines did may be tried again.
    assert error.transient == (kind in MACHINES_FAULTS)


@pytest.mark.parametrize("message", [None, "", 5, ["It ended."]])
def test_an_ending_without_words_is_named(message: object) -> None:
    error = error_of({"kind": "memory", "message": message})
    assert error.message == "The run ended: memory."


def test_signal_and_code_are_told() -> None:
    crashed = error_of({"kind": "signal", "signal": "SIGSEGV"})
    assert isinstance(crashed, errors.Crashed) and crashed.signal_name == "SIGSEGV"
    nameless = error_of({"kind": "signal", "signal": None})
    assert isinstance(nameless, errors.Crashed) and nameless.signal_name == ""
    for code, told in ((3, 3), (0, 0), (None, None), ("3", None)):
        exited = error_of({"kind": "exited", "code": code})
        assert isinstance(exited, errors.Exited) and exited.code == told


@pytest.mark.parametrize("kind", [None, "", "OK", "fine", 5, True, [], {}, ["ok"]])
def test_an_ending_that_is_not_known_is_never_taken_for_success(kind: object) -> None:
    error = error_of({"kind": kind}, node="w1")
    assert type(error) is errors.ResultMissing
    assert "does not say how it ended" in error.message and error.node == "w1"


@given(st.dictionaries(st.sampled_from(["kind", "message", "signal", "code"]), ANYTHING), ANYTHING)
def test_any_report_has_an_error_and_a_place_that_is_text(
    outcome: dict[str, object], place: object
) -> None:
    for said in (outcome, {**outcome, "kind": "exited"}, {**outcome, "kind": "signal"}, place):
        error = error_of(said, job_id=place, node=place, run_id=place)
        assert str(error)
        assert all(
            value is None or (isinstance(value, str) and value)
            for value in (error.job_id, error.node, error.run_id)
        )


STATES: dict[JobStatus, type[CFiddleSlurmError]] = {
    JobStatus.COMPLETED: errors.NodeFailed,
    JobStatus.FAILED: errors.NodeFailed,
    JobStatus.CANCELLED: errors.Cancelled,
    JobStatus.TIMEOUT: errors.WallTimeLimit,
    JobStatus.OUT_OF_MEMORY: errors.OutOfMemory,
    JobStatus.NODE_FAIL: errors.NodeFailed,
    JobStatus.PREEMPTED: errors.NodeFailed,
}


@pytest.mark.parametrize("status", [status for status in JobStatus if status.final])
def test_a_job_that_ended_without_a_report(status: JobStatus) -> None:
    state = JobState("7", status, "SLURMS_WORD", node="w1", exit_code="1:0")
    error = error_of_state(state, Path("/some/jobs/0123456789abcdef"))
    assert type(error) is STATES[status]
    assert (error.job_id, error.node) == ("7", "w1")
    assert error.cause == "Slurm says SLURMS_WORD, exit code 1:0"
    assert error.hint == "Its files are kept in /some/jobs/0123456789abcdef."


def test_what_slurm_does_not_tell_is_left_out() -> None:
    error: Any = error_of_state(JobState("7", JobStatus.FAILED, "LAUNCH_FAILED"), None)
    assert (error.cause, error.hint) == ("Slurm says LAUNCH_FAILED", "")
    assert "LAUNCH_FAILED" in error.message and error.node is None

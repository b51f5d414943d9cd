"""Slurm's words for states and reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.schedulers.base import JobState, JobStatus, advance
from cfiddle_slurm.slurm_states import (
    Node,
    node_is_out,
    node_is_withdrawn,
    node_takes_jobs,
    reason_in_english,
    reason_is_a_machines,
    status_of,
)

STATUSES = st.sampled_from(JobStatus)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("PENDING", JobStatus.PENDING),
        ("CONFIGURING", JobStatus.PENDING),
        ("RUNNING", JobStatus.RUNNING),
        ("SUSPENDED", JobStatus.RUNNING),
        ("COMPLETING", JobStatus.COMPLETING),
        ("COMPLETED", JobStatus.COMPLETED),
        ("CANCELLED", JobStatus.CANCELLED),
        ("CANCELLED by 1000", JobStatus.CANCELLED),
        ("CANCELLED+", JobStatus.CANCELLED),
        ("TIMEOUT", JobStatus.TIMEOUT),
        ("OUT_OF_MEMORY", JobStatus.OUT_OF_MEMORY),
        ("NODE_FAIL", JobStatus.NODE_FAIL),
        ("BOOT_FAIL", JobStatus.NODE_FAIL),
        ("", JobStatus.UNKNOWN),
        ("SOMETHING_NEW", JobStatus.UNKNOWN),
    ],
)
def test_states(raw: str, status: JobStatus) -> None:
    assert status_of(raw) is status


@given(st.text())
def test_a_word_that_is_not_known_ends_nothing(raw: str) -> None:
    assert status_of(f"x{raw}").final is False


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "all workers are busy"),
        ("(Priority)", "other jobs are before it"),
        ("None", "next scheduling round"),
        ("QOSMaxJobsPerUserLimit", "a limit on running jobs is reached (QOSMaxJobsPerUserLimit)"),
        ("AssocGrpCpuLimit", "a limit on running jobs"),
        ("ReqNodeNotAvail, UnavailableNodes:w3", "is not available (ReqNodeNotAvail, Unava"),
        ("Gremlins", "Slurm gives the reason 'Gremlins'"),
        ("", "Slurm gives no reason"),
    ],
)
def test_reasons(reason: str, words: str) -> None:
    assert words in reason_in_english(reason)


def state(status: JobStatus) -> JobState:
    return JobState("1", status, status.name)


@given(st.lists(STATUSES, min_size=1))
def test_late_news_never_takes_a_job_back(news: list[JobStatus]) -> None:
    known: JobState | None = None
    for status in news:
        before = known
        known = advance(known, state(status))
        if before is not None:
            assert known.status.value >= before.status.value or before.status.final
            assert not before.status.final or known is before


@pytest.mark.parametrize(
    ("state", "takes", "busy"),
    [
        ("IDLE", True, False),
        ("idle+dynamic_norm", True, False),
        ("IDLE+CLOUD", True, False),
        ("ALLOCATED", True, True),
        ("mixed+dynamic_norm", True, True),
        ("COMPLETING", True, True),
        ("IDLE+COMPLETING+DRAIN", False, True),
        ("IDLE+PLANNED", True, False),
        ("IDLE+DRAIN", False, False),
        ("ALLOCATED+DRAIN", False, True),
        ("DOWN", False, False),
        ("DOWN*", False, False),
        ("IDLE*", False, False),
        ("IDLE+NOT_RESPONDING", False, False),
        ("IDLE+MAINTENANCE", False, False),
        ("FUTURE", False, False),
        ("", False, False),
        ("SOMETHING_NEW", False, False),
    ],
)
def test_nodes_that_take_jobs_and_nodes_that_have_one(state: str, takes: bool, busy: bool) -> None:
    assert node_takes_jobs(state) is takes
    assert Node("w1", state, "", "").busy is busy


@pytest.mark.parametrize(
    ("state", "withdrawn"),
    [
        ("IDLE", False),
        ("MIXED+DYNAMIC_NORM", False),
        ("IDLE+DYNAMIC_NORM+NOT_RESPONDING", False),
        ("", False),
        ("IDLE+DRAIN", True),
        ("ALLOCATED+DRAIN+DYNAMIC_NORM", True),
        ("DOWN+DYNAMIC_NORM+NOT_RESPONDING", True),
        ("IDLE+FAIL", True),
    ],
)
def test_nodes_that_can_be_resumed(state: str, withdrawn: bool) -> None:
    assert node_is_withdrawn(state) is withdrawn


@given(st.text(alphabet=st.characters(exclude_characters="+")))
def test_a_node_with_a_flag_that_is_not_known_takes_no_jobs(flag: str) -> None:
    assert not node_takes_jobs(f"idle+x{flag}")


@pytest.mark.parametrize(
    ("reason", "machines"),
    [
        ("cfiddle: the sandbox image is missing", True),
        ("Prolog error", True),
        ("SlurmdSpoolDir is full", True),
        ("Kill task failed (JobId=7 StepId=7.0)", True),
        ("Low RealMemory (reported:100 < 99.00% of configured:200)", True),
        ("batch job complete failure", True),
        ("Not responding", True),
        ("", False),
        ("fan broken", False),
        ("cfiddle is slow", False),
        ("Prolog error again: I look at it", False),
        ("Low battery", False),
    ],
)
def test_reasons_of_machines_and_of_people(reason: str, machines: bool) -> None:
    assert reason_is_a_machines(reason) is machines


@pytest.mark.parametrize(
    ("state", "out"), [("drained", True), ("down*", True), ("idle", False), ("idle*", False)]
)
def test_nodes_that_are_out_in_sinfos_words(state: str, out: bool) -> None:
    assert node_is_out(state) is out

"""Slurm's words for states and reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.schedulers.base import JobState, JobStatus, advance
from cfiddle_slurm.schedulers.slurm_states import reason_in_english, status_of

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

"""What Slurm's commands print, as copied from real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.schedulers.base import JobStatus
from cfiddle_slurm.schedulers.slurm_parse import (
    Trouble,
    failed_node,
    own_words,
    parse_node_states,
    parse_sacct,
    parse_squeue,
    parse_srun_log,
    parse_submission,
    trouble_of,
)


@pytest.mark.parametrize(
    ("output", "job_id"),
    [
        ("123\n", "123"),
        ("123;cluster\n", "123"),
        ("sbatch: a site's greeting\n123\n", "123"),
        ("", None),
        ("no number", None),
        ("123 456", None),
    ],
)
def test_submissions(output: str, job_id: str | None) -> None:
    assert parse_submission(output) == job_id


def test_what_srun_says_when_its_job_waits() -> None:
    log = "srun: job 41 queued and waiting for resources\nsrun: job 41 has been allocated resources"
    assert parse_srun_log(log) == "41"
    assert parse_srun_log("srun: error: job 41 is strange") is None


PARTITION = """\
sbatch: error: invalid partition specified: nowhere
sbatch: error: Batch job submission failed: Invalid partition name specified
"""
NO_NAME = """\
sbatch: error: _xgetaddrinfo: getaddrinfo() failed: Name or service not known: No error
sbatch: error: _xgetaddrinfo: getaddrinfo() failed: Name or service not known: No error, \
attempt number 2
"""
NO_SOURCE = """\
sbatch: error: _fetch_child: failed to fetch remote configs: \
Unable to contact slurm controller (connect failure)
sbatch: error: _establish_config_source: failed to fetch config
sbatch: fatal: Could not establish a configuration source
"""
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
FULL = "sbatch: error: Batch job submission failed: I/O error writing script/environment to file\n"
PROLOG = """\
srun: error: Task launch for StepId=204.0 failed on node w1: Job prolog failed
srun: error: Application launch failed: Job prolog failed
srun: error: Prolog failure on node w1
"""
PLUGIN = """\
sbatch: error: Only jobs of cfiddle_slurm are accepted here.
sbatch: error: Batch job submission failed: Unspecified error
"""


@pytest.mark.parametrize(
    ("stderr", "trouble"),
    [
        (PARTITION, Trouble.REFUSED),
        (PLUGIN, Trouble.REFUSED),
        (NO_NAME, Trouble.NOT_REACHED),
        (NO_SOURCE, Trouble.NOT_REACHED),
        (LOST, Trouble.REPLY_LOST),
        (FULL, Trouble.HEAD_FULL),
        (PROLOG, Trouble.NOT_STARTED),
        ("", Trouble.REFUSED),
    ],
)
def test_what_a_failure_means(stderr: str, trouble: Trouble) -> None:
    assert trouble_of(stderr) is trouble


def test_slurms_own_words() -> None:
    assert own_words(PARTITION) == (
        "invalid partition specified: nowhere; Invalid partition name specified"
    )
    assert own_words(PLUGIN) == "Only jobs of cfiddle_slurm are accepted here."
    assert "attempt" not in own_words(NO_NAME)
    assert own_words("") == "no reason was given"
    assert own_words("sbatch: error: Batch job submission failed: Unspecified error") == (
        "Unspecified error"
    )


def test_squeue() -> None:
    found = parse_squeue(
        "7|PENDING|Resources||cfiddle-0123456789abcdef\n8|RUNNING|None|worker1|a|b\n\ngarbage\n"
    )
    assert set(found) == {"7", "8"}
    assert (found["7"].run_id, found["8"].run_id) == ("0123456789abcdef", None)
    assert (found["7"].status, found["7"].reason, found["7"].node) == (
        JobStatus.PENDING, "Resources", None,
    )  # fmt: skip
    assert (found["8"].status, found["8"].node) == (JobStatus.RUNNING, "worker1")


def test_sacct() -> None:
    found = parse_sacct(
        "7|CANCELLED by 1000|None assigned|0:0|x\n8|FAILED|w1|3:0|cfiddle-0123456789abcdef\n"
    )
    assert (found["7"].run_id, found["8"].run_id) == (None, "0123456789abcdef")
    assert (found["7"].status, found["7"].node) == (JobStatus.CANCELLED, None)
    assert (found["8"].raw, found["8"].node, found["8"].exit_code) == ("FAILED", "w1", "3:0")


@given(st.text())
def test_any_text_can_be_parsed(text: str) -> None:
    parse_submission(text)
    parse_srun_log(text)
    assert trouble_of(text) in Trouble
    assert own_words(text)
    for found in (parse_squeue(text), parse_sacct(text)):
        assert all(found)


def test_the_node_that_could_not_start_a_job() -> None:
    assert failed_node(PROLOG) == "w1"
    assert failed_node(FULL) is None


def test_sinfo() -> None:
    found = parse_node_states("w1|drained|Prolog error|x\nw2|idle|none\nw1|idle\n\n")
    assert found == {"w1": ("drained", "Prolog error|x"), "w2": ("idle", "none")}

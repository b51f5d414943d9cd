"""What Slurm's commands print, as copied from real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.schedulers.base import JobStatus
from cfiddle_slurm.schedulers.slurm_parse import (
    Trouble,
    own_words,
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
        ("\x1b[1mWelcome\x1b[0m\r\n\x1b[32m123\x1b[0m\r\nThank you, 2026\n", "123"),
        ("Submitted batch job 123\n", "123"),
        ("Submitted batch job 123 on cluster physics\n", "123"),
        ("123\nSubmitted batch job 123\n", "123"),
        ("2026\n123\n", None),  # not certain
        ("\u0663\n", None),  # a digit elsewhere
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
        ("", Trouble.REFUSED),
        (f"munge and authentication are our pride\n{PARTITION}", Trouble.REFUSED),
        (f"{PARTITION}Connection reset by the banner\n", Trouble.REFUSED),
        (f"Welcome\n{LOST}", Trouble.REPLY_LOST),
        ("srun: error: it was revoked\nsrun: Force Terminated JobId=7\n", Trouble.REPLY_LOST),
        (f"{NO_SOURCE}Goodbye", Trouble.NOT_REACHED),
        ("ssh: Connection reset by peer\n", Trouble.REPLY_LOST),  # a wrapper that goes elsewhere
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
    assert own_words(f"Welcome\n{PARTITION}Goodbye") == (
        "invalid partition specified: nowhere; Invalid partition name specified; Welcome; Goodbye"
    )
    assert own_words("Welcome\nsbatch: error: Unspecified error") == "Unspecified error; Welcome"
    assert own_words("sbatch: error: \x1b]0;title\x07 no") == "\\x1b]0;title\\x07 no"
    assert own_words("") == "no reason was given"
    assert own_words("sbatch: error: Batch job submission failed: Unspecified error") == (
        "Unspecified error"
    )


def test_squeue() -> None:
    found = parse_squeue(
        "7|PENDING|Resources||cfiddle-0123456789abcdef\n8|RUNNING|None|worker1|a|b\n\ngarbage\n"
    )
    assert set(found) == {"7", "8"}
    assert parse_squeue("Welcome|to|our|own|cluster\n| * | * | * | * |\n9|RUNNING\n") == {}
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

"""Errors say what, why, where and what to do."""

import copy
import pickle

import cfiddle
import pytest

import cfiddle_slurm
from cfiddle_slurm import errors
from cfiddle_slurm.errors import CFiddleSlurmError

ALL = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, CFiddleSlurmError)
]


def test_the_whole_text() -> None:
    error = errors.NodeFailed(
        "It failed.", hint="Try again.", cause=OSError("gone"), job_id="7", node="w1", run_id="ab"
    )
    assert str(error) == ("It failed. Try again.\n(job 7, node w1, run ab)\nCause: OSError('gone')")
    assert str(errors.Cancelled("It was cancelled.")) == "It was cancelled."


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_is_cfiddles_public_and_survives_pickling(kind: type[CFiddleSlurmError]) -> None:
    error = kind("Words.", hint="More.", job_id="5")
    assert isinstance(error, cfiddle.CFiddleException)
    assert getattr(cfiddle_slurm, kind.__name__) is kind
    assert kind.__name__ in dir(cfiddle_slurm)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.transient == kind.transient


def test_only_the_machines_faults_are_transient() -> None:
    assert {kind.__name__ for kind in ALL if kind.transient} == {
        "SchedulerUnavailable", "QueueTimeout", "NodeFailed", "JobLost", "Withdrawn",
        "SandboxUnavailable", "SandboxBusy", "ResultMissing",
    }  # fmt: skip

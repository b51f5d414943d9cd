"""Errors say what, why, where and what to do."""

import copy
import importlib
import pickle
from collections.abc import Iterator

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


def test_the_tree_in_the_description_is_the_tree() -> None:
    def drawn(kind: type[CFiddleSlurmError], indent: str) -> Iterator[str]:
        children = sorted(kind.__subclasses__(), key=place.__getitem__)
        for child in children:
            last = child is children[-1]
            yield f"{indent}{'└── ' if last else '├── '}{child.__name__}"
            yield from drawn(child, indent + ("    " if last else "│   "))

    lines = (errors.__doc__ or "").splitlines()
    place = {kind: [line.split(" ")[-1] for line in lines].index(kind.__name__) for kind in ALL}
    tree = [line[4:] for line in lines if "── " in line]
    assert tree == list(drawn(CFiddleSlurmError, ""))


def test_what_catches_a_failed_run_on_a_laptop_catches_it_here_too() -> None:
    runner = importlib.import_module("cfiddle.Runner")
    with pytest.raises(runner.RunnerDelegateException) as plain:
        runner.SubprocessDelegate().execute(["false"], runner=None)
    with pytest.raises(type(plain.value), match="It crashed"):
        raise errors.Crashed("It crashed.")
    assert not issubclass(errors.ClusterTrouble, type(plain.value))


def test_trouble_of_the_cluster_is_no_failed_experiment() -> None:
    for kind in ALL:
        assert not (issubclass(kind, errors.ExperimentFailed) and kind.transient), kind
        assert issubclass(kind, errors.ClusterTrouble) or not kind.transient, kind


def test_only_the_machines_faults_are_transient() -> None:
    assert {kind.__name__ for kind in ALL if kind.transient} == {
        "SchedulerUnavailable", "QueueTimeout", "NodeFailed", "JobLost", "Withdrawn",
        "SandboxUnavailable", "SandboxBusy", "ResultMissing",
    }  # fmt: skip

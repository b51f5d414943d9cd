"""The swarm, made and left."""

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster import machines
from tests.unit.cluster.conftest import Docker

STATE, ID = "info --format {{.Swarm.LocalNodeState}}", "info --format {{.Swarm.NodeID}}"
ROLES = " ".join(f"--label-add=cfiddle.{role}=true" for role in machines.ROLES)


@pytest.fixture
def engine(docker: Docker) -> Docker:
    """An engine that is in no swarm until it is told to make one."""
    docker.answers(STATE, "test -e swarm && echo active || echo inactive")
    docker.answers(ID, "test -e swarm && echo machine1")
    docker.answers("swarm init *", "touch swarm")
    docker.answers("swarm leave --force", "rm swarm")
    docker.answers("node update *")
    docker.answers("node inspect *", "echo '<no value>'")
    return docker


def test_the_engines_state_is_what_it_says(docker: Docker) -> None:
    docker.answers(STATE, "echo locked")
    assert machines.swarm_state() == "locked"


def test_a_machine_in_no_swarm_becomes_one(engine: Docker) -> None:
    machines.make_local_swarm()
    assert machines.swarm_state() == "active"
    init, made, roles = (
        line for line in engine.lines if line.startswith(("swarm", "node"))
    )  # fmt: skip
    assert "--listen-addr=127.0.0.1" in init
    assert "--advertise-addr=127.0.0.1" in init
    assert made == "node update --label-add=cfiddle.swarm=made-here machine1"
    assert roles == f"node update {ROLES} machine1"


def test_a_swarm_that_was_there_is_only_labelled(engine: Docker) -> None:
    machines.make_local_swarm()
    before = len(engine.lines)
    machines.make_local_swarm()
    changes = [line for line in engine.lines[before:] if not line.startswith("info")]
    assert changes == [f"node update {ROLES} machine1"]


def test_a_swarm_that_was_made_here_is_left(engine: Docker) -> None:
    machines.make_local_swarm()
    engine.answers("node inspect *", "echo made-here")
    assert machines.leave_local_swarm() is True
    assert machines.swarm_state() == "inactive"
    (asked,) = (call for call in engine.calls if call[:2] == ["node", "inspect"])
    assert asked[-2:] == ['{{index .Spec.Labels "cfiddle.swarm"}}', "machine1"]


def test_a_swarm_of_somebody_elses_is_not_left(engine: Docker) -> None:
    machines.make_local_swarm()
    assert machines.leave_local_swarm() is False
    assert machines.swarm_state() == "active"


def test_what_is_in_no_swarm_has_none_to_leave(engine: Docker) -> None:
    assert machines.leave_local_swarm() is False
    assert engine.lines == [STATE]


def test_labels_are_put_on_the_machine_that_is_named(docker: Docker) -> None:
    docker.answers("node update *")
    machines.label("machine 2", {"a": "1", "b": "two words"})
    assert docker.calls == [
        ["node", "update", "--label-add=a=1", "--label-add=b=two words", "machine 2"]
    ]


def test_no_engine(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    docker.answers("info *", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(process.CommandFailed, match="Cannot connect to the Docker daemon"):
        machines.make_local_swarm()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(process.CommandMissing, match="'docker' cannot be started"):
        machines.swarm_state()

"""What of a cluster cannot be changed while its data are there."""

import base64

import pytest

from cfiddle_slurm.cluster.changes import unchanged
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from tests.unit.cluster.conftest import HEAD, Program

LAB = Config(name="lab")


@pytest.fixture
def engine(docker: Program) -> Program:
    """A head on which a cluster called lab runs."""
    name = rendering.configuration(LAB)[0].name
    data = base64.b64encode(rendering.slurm_conf(LAB).encode()).decode()
    docker.answers("info *", "echo active")
    docker.answers("service inspect *", f"echo 'cfiddle_config_other {name} '")
    docker.answers(f"config inspect * {name}", f"echo '\"{data}\"'")
    docker.answers("volume inspect *", "exit 1")
    return docker


def stopped(engine: Program, kept: str) -> None:
    """The cluster is down; what its state says."""
    engine.answers("info *", "echo inactive")
    engine.answers("volume inspect --format={{.Name}} cfiddle_state", "echo cfiddle_state")
    engine.answers("run *", kept)


def test_a_running_cluster_keeps_its_name(engine: Program) -> None:
    unchanged.check(HEAD, LAB)
    with pytest.raises(MachineError, match=r"is called 'lab', .* says 'cfiddle'. Set name = 'lab'"):
        unchanged.check(HEAD, Config())
    assert "run" not in {call[0] for call in engine.calls}


@pytest.mark.parametrize("kept", ["echo lab", "echo 'lab|3229'"])
def test_a_cluster_that_is_down_keeps_its_name_with_its_state(engine: Program, kept: str) -> None:
    stopped(engine, kept)
    unchanged.check(HEAD, LAB)
    with pytest.raises(MachineError, match="is called 'lab'"):
        unchanged.check(HEAD, Config())


def test_a_cluster_without_a_state_can_have_any_name(engine: Program) -> None:
    stopped(engine, "echo 'No such file' >&2; exit 1")
    unchanged.check(HEAD, Config())
    engine.answers("volume inspect *", "exit 1")
    unchanged.check(HEAD, Config())


def test_its_homes_stay_where_they_are(engine: Program) -> None:
    engine.answers("volume inspect --format={{json .Options}} *",
                   """echo '{"device":"/shared","o":"bind","type":"none"}'""")  # fmt: skip
    with pytest.raises(ConfigError, match="homes on this machine are in /shared"):
        unchanged.check(HEAD, LAB)


@pytest.mark.parametrize(
    ("text", "name"),
    [("ClusterName=lab\n", "lab"), ("# x\nClusterName=a-b #y\n", "a-b"), ("Cluster=x\n", "")],
)
def test_the_name_in_a_configuration(text: str, name: str) -> None:
    assert unchanged.name_in(base64.b64encode(text.encode()).decode()) == name


@pytest.mark.parametrize("data", ["", "null", "=", "\x00"])
def test_what_is_no_configuration_has_no_name(data: str) -> None:
    assert unchanged.name_in(data) == ""

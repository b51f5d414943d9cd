"""How a head comes back whose certificates have expired."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster.changes import revival
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.cluster.services.stack import Service
from cfiddle_slurm.cluster.site import kit
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, WORKER, Program
from tests.unit.cluster.recorder import Recorder

ASK = "*info --format={{.DockerRootDir}}|*"
EXPIRED = "error|false|x509: certificate has expired or is not yet valid"
KNOWN = '{"AdvertiseAddr":"10.0.0.1:2377","ListenAddr":"0.0.0.0:2377"}'
AGAIN = "swarm init --force-new-cluster --advertise-addr=10.0.0.1:2377 --listen-addr=0.0.0.0:2377"


def quiet(text: str) -> None:
    """Nobody listens."""


@pytest.fixture
def head(
    docker: Program, ssh: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    recorder: Recorder,
) -> Program:  # fmt: skip
    """An engine with a folder of its own; what restarts it is left out."""
    recorder.replace(stack, services=[Service("munge", 1, 1)], remove=None)
    (tmp_path / "root/swarm").mkdir(parents=True)
    (tmp_path / "root/swarm/docker-state.json").write_text(KNOWN)
    scripts = revival._SET_ASIDE.partition("if [ -d /run/systemd")[0] + "touch restarted\n"
    monkeypatch.setattr(revival, "_SET_ASIDE", scripts)
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster/engine.sh").write_text("echo engine: Docker\n")
    monkeypatch.setattr(kit, "folder", lambda name: tmp_path / name)
    ssh.answers("*", BEHAVE_LIKE_SSH)
    docker.answers(ASK, f"""
        if test -e made; then echo '{tmp_path}/root|active|true|'
        elif test -e restarted; then echo '{tmp_path}/root|inactive|false|'
        else echo '{tmp_path}/root|{EXPIRED}'; fi""")  # fmt: skip
    docker.answers("*swarm init *", "touch made")
    return docker


def test_the_swarm_is_made_anew_out_of_what_is_there(
    head: Program, tmp_path: Path, recorder: Recorder
) -> None:
    said: list[str] = []
    assert not revival.is_fine(WORKER)
    assert "swarm init" not in " ".join(head.lines), "it only looks"
    revival.renew_if_expired(WORKER, said.append)
    assert revival.is_fine(WORKER)
    assert said[-1] == "the swarm on w1 is back with its secrets; its services are starting"
    assert [line for line in head.lines if line.endswith(AGAIN)]
    assert list((tmp_path / "root/swarm").iterdir()) == []
    assert "leave" not in " ".join(head.lines)
    assert recorder.calls == ["stack.services", "stack.remove"]


def test_whoever_was_interrupted_goes_on(head: Program, tmp_path: Path) -> None:
    # A plain `swarm init` would clear what is there.
    head.answers("*swarm init *", "echo 'no' >&2; exit 1")
    with pytest.raises(MachineError, match="no"):
        revival.renew_if_expired(WORKER, quiet)
    assert (tmp_path / "root/swarm/docker-state.json.expired").read_text() == KNOWN
    head.answers("*swarm init *", "touch made")
    revival.renew_if_expired(WORKER, quiet)
    assert head.lines[-2].endswith(AGAIN)
    assert list((tmp_path / "root/swarm").iterdir()) == []


def test_what_was_set_aside_and_cannot_be_read_is_not_nothing(
    head: Program, tmp_path: Path
) -> None:
    head.answers(ASK, f"echo '{tmp_path}/root|inactive|false|'")
    (tmp_path / "root/swarm/docker-state.json.expired").mkdir()
    with pytest.raises(MachineError, match=r"docker-state\.json\.expired"):
        revival.renew_if_expired(WORKER, quiet)
    assert not [line for line in head.lines if "swarm init" in line]


@pytest.mark.parametrize(
    "found", ["inactive|false|", "active|true|", "locked|false|Swarm is encrypted"]
)
def test_all_others_are_left_alone(head: Program, tmp_path: Path, found: str) -> None:
    head.answers(ASK, f"echo '{tmp_path}/root|{found}'")
    revival.renew_if_expired(WORKER, quiet)
    assert len(head.calls) == 1
    assert (tmp_path / "root/swarm/docker-state.json").exists()

"""The swarm: who is in it, and how machines come and go."""

import json
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.members.swarm import Member
from tests.unit.cluster.conftest import AT_WORKER, BEHAVE_LIKE_SSH, HEAD, WORKER, Program

STATE = "info --format={{.Swarm.LocalNodeState}}"
ID = "info --format={{.Swarm.NodeID}}"
ROOT = "info --format={{.DockerRootDir}}"
MANAGERS = "info --format={{range .Swarm.RemoteManagers}}{{.Addr}} {{end}}"
ANSWERS = "info --format={{.DockerRootDir}}|*"


def line(
    name: str, labels: dict[str, str] | None, state: str = "ready", identity: str = "id"
) -> str:
    return json.dumps(
        {
            "ID": identity,
            "Spec": {"Labels": labels, "Role": "worker"},
            "Description": {"Hostname": name},
            "Status": {"State": state},
        }
    )


MEMBERS = "\n".join(
    [
        line("h", {"cfiddle.head": "true", "cfiddle.user": "true", "cfiddle.address": "local"},
             identity="id0"),
        line("w2", {"cfiddle.worker": "true", "cfiddle.address": "10.0.0.2"}, "down", "id2"),
        line("w1", {"cfiddle.worker": "true", "cfiddle.address": "w1"}, identity="id1"),
        line("x", None, identity="id3"),
    ]
)  # fmt: skip


def test_members_are_what_docker_says_of_its_nodes() -> None:
    assert swarm.parse_members(MEMBERS) == [
        Member("id0", "h", "local", frozenset({"head", "user"}), True),
        Member("id2", "w2", "10.0.0.2", frozenset({"worker"}), False),
        Member("id1", "w1", "w1", frozenset({"worker"}), True),
        Member("id3", "x", "", frozenset(), True),
    ]
    assert swarm.parse_members("") == []


def test_a_label_with_another_value_gives_no_role() -> None:
    (found,) = swarm.parse_members(line("w", {"cfiddle.worker": "false", "other": "true"}))
    assert found.roles == frozenset()


@pytest.fixture
def engine(docker: Program) -> Program:
    """The head's engine, in no swarm until it is told to make one; and a worker's, in none."""
    docker.answers(STATE, "test -e swarm && echo active || echo inactive")
    docker.answers(ID, "test -e swarm && echo id0")
    docker.answers(ANSWERS, "test -e swarm && echo '/|active|true|' || echo '/|inactive|false|'")
    docker.answers("swarm init *", "touch swarm")
    docker.answers("swarm leave --force", "rm swarm")
    docker.answers("swarm ca *")
    docker.answers("swarm update *")
    docker.answers("swarm join-token *", "echo SECRET-TOKEN")
    docker.answers("info --format={{(index .Swarm.RemoteManagers 0).Addr}}", "echo 10.0.0.1:2377")
    docker.answers("node update *")
    docker.answers("node rm *")
    docker.answers("node ls --quiet", "echo id0; echo id1")
    docker.answers("node inspect *", f"cat <<'END'\n{MEMBERS}\nEND")
    docker.answers(f"{AT_WORKER} {STATE}", "echo inactive")
    docker.answers(f"{AT_WORKER} {ROOT}", "echo /nowhere")
    docker.answers(MANAGERS, "echo 10.0.0.1:2377")
    docker.answers(f"{AT_WORKER} {MANAGERS}", "echo 10.9.9.9:2377")
    docker.answers(f"{AT_WORKER} swarm leave --force")
    return docker


def test_a_swarm_of_one_machine_listens_to_nobody(engine: Program) -> None:
    swarm.make(HEAD, "")
    assert engine.those("init") == [
        "swarm init --advertise-addr=127.0.0.1 --listen-addr=127.0.0.1:2377"
    ]
    assert engine.those("update") == ["node update --label-add=cfiddle.swarm=made-here id0"]
    # Only what is made anew after that is valid for so long.
    assert engine.lines[-1] == "swarm ca --rotate --quiet --cert-expiry=43800h"


def test_a_swarm_for_others_is_made_where_they_find_it(engine: Program) -> None:
    swarm.make(HEAD, "10.0.0.1")
    assert engine.those("init") == [
        "swarm init --advertise-addr=10.0.0.1 --listen-addr=0.0.0.0:2377"
    ]


def test_a_swarm_that_is_there_stays(engine: Program) -> None:
    Path("swarm").touch()
    engine.answers("node inspect --format={{index *", "echo '<no value>'")
    swarm.make(HEAD, "10.0.0.1")
    assert not {"init", "ca", "update"} & {word for call in engine.calls for word in call}
    engine.answers("node inspect --format={{index *", "echo made-here")
    swarm.make(HEAD, "10.0.0.1")  # one that was made when certificates were short-lived
    assert engine.lines[-1] == "swarm update --cert-expiry=43800h"


def test_a_head_that_is_anothers_worker_is_refused(engine: Program) -> None:
    Path("swarm").touch()
    engine.answers(ANSWERS, "echo '/|active|false|'")
    with pytest.raises(MachineError, match="this machine is a worker in the swarm of another head"):
        swarm.make(HEAD, "")


def test_workers_are_listed_by_name(engine: Program) -> None:
    assert [member.hostname for member in swarm.workers(HEAD)] == ["w1", "w2"]
    assert engine.calls[-1] == ["node", "inspect", "--format={{json .}}", "id0", "id1"]


def test_the_heads_address_is_asked_for_or_found_out(programs: Path) -> None:
    assert swarm.address_of(HEAD, "10.9.9.9") == "10.9.9.9"
    ip = programs / "ip"
    ip.write_text("#!/bin/sh\necho '192.0.2.1 via 10.0.0.254 dev eth0 src 10.0.0.7 uid 0'\n")
    ip.chmod(0o755)
    assert swarm.address_of(HEAD, "") == "10.0.0.7"
    # Without a default route, and where there is no such program.
    ip.write_text("#!/bin/sh\nexit 2\n")
    (programs / "hostname").write_text("#!/bin/sh\necho 'fe80::1 10.0.0.8 172.17.0.1'\n")
    (programs / "hostname").chmod(0o755)
    assert swarm.address_of(HEAD, "") == "10.0.0.8"


class FakeClient:
    """Docker's API for the joining machine."""

    made: list["FakeClient"]

    def __init__(self, url: str | None, **options: Any) -> None:
        self.url, self.closed = url, False
        self.joined: list[tuple[list[str], str]] = []
        self.made.append(self)

    def join_swarm(self, managers: list[str], token: str) -> None:
        self.joined.append((managers, token))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    FakeClient.made = []
    monkeypatch.setattr("docker.APIClient", FakeClient)
    return FakeClient.made


def test_a_worker_joins_by_a_token_that_is_in_no_command_line(
    engine: Program, clients: list[FakeClient]
) -> None:
    swarm.join(WORKER, HEAD)
    (client,) = clients
    assert (client.url, client.closed) == ("ssh://root@w1", True)
    assert client.joined == [(["10.0.0.1:2377"], "SECRET-TOKEN")]
    assert "SECRET-TOKEN" not in "\n".join(engine.lines)


def test_a_worker_that_is_in_already_stays(engine: Program, clients: list[FakeClient]) -> None:
    engine.answers(f"{AT_WORKER} {STATE}", "echo active")
    engine.answers(f"{AT_WORKER} {ID}", "echo id1")
    swarm.join(WORKER, HEAD)
    assert clients == []
    engine.answers(f"{AT_WORKER} {ID}", "echo another")
    with pytest.raises(MachineError, match="w1 is in another swarm"):
        swarm.join(WORKER, HEAD)
    assert clients == []


def test_a_worker_of_the_heads_former_swarm_leaves_that_first(
    engine: Program, ssh: Program, clients: list[FakeClient]
) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    engine.answers(f"{AT_WORKER} {STATE}", "echo active")
    engine.answers(f"{AT_WORKER} {ID}", "echo former")
    engine.answers(f"{AT_WORKER} {MANAGERS}", "echo 10.0.0.1:2377")
    swarm.join(WORKER, HEAD)
    assert engine.those("leave") == [f"{AT_WORKER} swarm leave --force"]
    assert len(clients[0].joined) == 1


@pytest.mark.parametrize("state", ["error", "locked", "active"])
def test_another_swarms_manager_is_never_made_to_leave(
    engine: Program, ssh: Program, clients: list[FakeClient], tmp_path: Path, state: str
) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    (tmp_path / "docker/swarm/raft").mkdir(parents=True)
    engine.answers(f"{AT_WORKER} {ROOT}", f"echo '{tmp_path}/docker'")
    engine.answers(f"{AT_WORKER} {STATE}", f"echo {state}")
    engine.answers(f"{AT_WORKER} {ID}", "echo another")
    with pytest.raises(MachineError, match="another swarm"):
        swarm.join(WORKER, HEAD)
    assert (engine.those("leave"), clients) == ([], [])


def test_a_machine_that_joined_again_is_one_member(engine: Program) -> None:
    again = [
        line("w1", {"cfiddle.worker": "true", "cfiddle.address": "old", "rack": "7"}, "down", "x1"),
        line("w1", None, identity="x2"),
        line("other", {"cfiddle.address": "o"}, identity="x3"),
    ]
    engine.answers("node inspect *", "cat <<'END'\n" + "\n".join(again) + "\nEND")
    engine.answers(f"{AT_WORKER} {ID}", "echo x2")
    swarm.settle(HEAD, WORKER)
    assert engine.those("update") == [
        "node update --label-add=cfiddle.worker=true --label-add=cfiddle.address=old"
        " --label-add=rack=7 x2",
        "node update --label-add=cfiddle.address=w1 x2",
    ]
    assert engine.those("rm") == ["node rm --force x1"]
    engine.answers(f"{AT_WORKER} {ID}", "echo unknown")
    with pytest.raises(MachineError, match="does not know it"):
        swarm.settle(HEAD, WORKER)


@pytest.mark.parametrize(("state", "leaves"), [("pending", 1), ("error", 1), ("inactive", 0)])
def test_a_worker_of_a_dead_swarm_leaves_that_first(
    engine: Program, ssh: Program, clients: list[FakeClient], state: str, leaves: int
) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    engine.answers(f"{AT_WORKER} {STATE}", f"echo {state}")
    swarm.join(WORKER, HEAD)
    assert engine.those("leave") == [f"{AT_WORKER} swarm leave --force"] * leaves
    assert len(clients[0].joined) == 1


def test_a_worker_that_is_in_no_swarm_after_all_has_left(
    engine: Program, ssh: Program, clients: list[FakeClient]
) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    engine.answers(f"{AT_WORKER} {STATE}", "test -e given-up && echo inactive || echo pending")
    none = "touch given-up; echo 'This node is not part of a swarm' >&2; exit 1"
    engine.answers(f"{AT_WORKER} swarm leave --force", none)
    swarm.join(WORKER, HEAD)
    assert len(clients[0].joined) == 1
    engine.answers(f"{AT_WORKER} {STATE}", "echo pending")
    with pytest.raises(MachineError, match="not part of a swarm"):
        swarm.join(WORKER, HEAD)


def test_a_worker_that_does_not_find_the_head_is_told_of_ports(
    engine: Program, clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeClient, managers: list[str], token: str) -> None:
        raise APIError("x", explanation="Timeout was reached")

    monkeypatch.setattr(FakeClient, "join_swarm", fail)
    with pytest.raises(MachineError, match=r"w1 cannot join.*Timeout was reached.*2377/tcp"):
        swarm.join(WORKER, HEAD)
    assert clients[0].closed


def test_roles_are_labels_at_the_head(engine: Program) -> None:
    engine.answers(f"{AT_WORKER} {ID}", "echo id1")
    swarm.give_roles(HEAD, WORKER, "worker", "user")
    assert engine.lines[-1] == (
        "node update --label-add=cfiddle.worker=true --label-add=cfiddle.user=true"
        " --label-add=cfiddle.address=w1 id1"
    )


def test_a_role_that_a_machine_has_not_is_not_taken(engine: Program) -> None:
    member = Member("id1", "w1", "w1", frozenset({"worker"}), True)
    swarm.take_role(HEAD, member, "head")
    assert engine.lines == []
    swarm.take_role(HEAD, member, "worker")
    assert engine.lines == ["node update --label-rm=cfiddle.worker id1"]
    swarm.forget(HEAD, member)
    assert engine.lines[-1] == "node rm --force id1"


def test_what_is_in_no_swarm_has_none_to_leave(engine: Program) -> None:
    swarm.leave(HEAD)
    assert engine.lines == [STATE]
    Path("swarm").touch()
    swarm.leave(HEAD)
    assert engine.lines[-1] == "swarm leave --force"


@pytest.mark.parametrize(
    ("active", "label", "ours"),
    [(True, "made-here", True), (True, "<no value>", False), (False, "made-here", False)],
)
def test_only_a_swarm_that_was_made_here_is_ours(
    engine: Program, active: bool, label: str, ours: bool
) -> None:
    if active:
        Path("swarm").touch()
    engine.answers("node inspect *", f"echo '{label}'")
    assert swarm.was_made_here(HEAD) is ours


def test_how_a_member_is_reached() -> None:
    def member(address: str) -> Member:
        return Member("id", "w1", address, frozenset(), True)

    assert swarm.machine_of(member("w1.lan"), "admin") == Machine("w1.lan", "admin")
    assert swarm.machine_of(member("local"), "admin").is_local
    with pytest.raises(MachineError, match="The address of w1 is not known"):
        swarm.machine_of(member(""), "admin")

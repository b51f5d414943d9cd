"""Which machine it is: by its kernel and its node in the swarm, not by its address."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.members import identity
from cfiddle_slurm.cluster.members.identity import Identity
from cfiddle_slurm.cluster.members.swarm import Member
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, WORKER, Program

H, A, B = Machine("h"), Machine("a"), Machine("b")
HEAD_ITSELF = Identity("head", "id0", "k0", "ns", "active", ("h:2377",))
ONE = Identity("one", "id1", "k1", "ns", "active", ("h:2377",))
TWO = Identity("two", "", "k2", "ns")
MEMBERS = [
    Member("id0", "head", "h", frozenset({"head"}), True),
    Member("id1", "one", "a", frozenset({"worker"}), True),
]


def info(**swarm: Any) -> str:
    return json.dumps({"Name": "one", "ID": "x", "Swarm": swarm, "LiveRestoreEnabled": False})


def check(
    who: dict[Machine, Identity],
    members: list[Member] = MEMBERS,
    elsewhere: dict[str, Identity] | None = None,
) -> None:
    identity.check(H, {H: HEAD_ITSELF, **who}, members, elsewhere or {})


def test_a_machine_is_what_its_engine_and_its_kernel_say() -> None:
    managers = [{"NodeID": "id0", "Addr": "h:2377"}]
    text = info(NodeID="id1", LocalNodeState="active", RemoteManagers=managers)
    found = identity.parse(text, "one\nk1\npid:[1]\nmnt:[2]\n")
    assert found == Identity("one", "id1", "k1", "pid:[1] mnt:[2]", "active", ("h:2377",))
    outside = info(NodeID="", LocalNodeState="inactive", RemoteManagers=None)
    assert identity.parse(outside, "one\nk1\n") == Identity("one", "", "k1")
    assert identity.parse("{}", "bare\nk1\nns\n") == Identity("bare", "", "k1", "ns")


def test_a_machine_without_an_engine_is_known_by_its_kernel(docker: Program, ssh: Program) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    docker.answers("*info *", "exit 1")
    found = identity.glimpse(WORKER)
    assert found.kernel == identity.glimpse(HEAD).kernel != ""
    assert found.is_at_the_place_of(identity.glimpse(HEAD))
    with pytest.raises(MachineError):
        identity.ask(WORKER)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(ONE, hostname="renamed", node_id=""), True),
        (replace(ONE, first=""), True),  # who is not root there may not look
        (replace(ONE, first="another container's"), False),
        (replace(ONE, kernel="k9"), False),
        (replace(ONE, kernel=""), False),
    ],
)
def test_two_addresses_of_one_machine(other: Identity, same: bool) -> None:
    assert ONE.is_at_the_place_of(other) is same
    assert other.is_at_the_place_of(ONE) is same


def test_machines_of_their_own_are_fine() -> None:
    check({})
    check({A: ONE, B: TWO})
    check({B: ONE})  # under a new address, while the old one does not answer
    check({B: ONE}, elsewhere={"a": ONE})  # an alias
    check({A: replace(ONE, node_id="", state="inactive")})  # it has left by force
    check({A: replace(ONE, node_id="id7")})  # of this head's former swarm


@pytest.mark.parametrize(
    ("who", "elsewhere", "words"),
    [
        ({A: replace(HEAD_ITSELF, hostname="x")}, {}, "^a is the head itself"),
        ({A: ONE, B: ONE}, {}, r"^a and b are the same machine \(one\): name it once"),
        ({A: ONE, B: replace(TWO, hostname="one")}, {}, "^Two machines are called one: a and b"),
        ({B: replace(TWO, hostname="head")}, {}, "^Two machines are called head: h and b"),
        ({B: replace(TWO, hostname="one")}, {"a": ONE}, "^Two machines are called one: a and b"),
        ({B: replace(TWO, hostname="one")}, {}, "^Two machines are called one: a and b"),
        ({A: ONE, B: replace(ONE, kernel="k2")}, {}, "^b is a copy of a"),
        ({B: replace(ONE, kernel="k2")}, {"a": ONE}, "^b is a copy of a"),
        ({B: replace(HEAD_ITSELF, kernel="k2")}, {}, "^b is a copy of h"),
        (
            {B: replace(TWO, state="active", node_id="x", managers=("q:2377",))}, {},
            r"^b is in another swarm \(of q:2377\)",
        ),
        ({B: replace(TWO, live_restore=True)}, {}, "^b cannot be in a swarm: .*live-restore"),
    ],
)  # fmt: skip
def test_machines_that_do_not_fit(
    who: dict[Machine, Identity], elsewhere: dict[str, Identity], words: str
) -> None:
    with pytest.raises(MachineError, match=words):
        check(who, elsewhere=elsewhere)


@pytest.mark.parametrize(
    "hostname",
    ["w1.example.edu", "", "-w1", "w1-", "w[1]", "w" * 64, "controller", "localhost", "DEFAULT",
     "wörk", "a b", "user"],
)  # fmt: skip
def test_host_names_that_a_worker_cannot_have(hostname: str) -> None:
    with pytest.raises(MachineError, match=r"^The host name of b is .* cannot be a worker's"):
        check({B: replace(TWO, hostname=hostname)})
    check({}, [])  # the head may have any


@pytest.mark.parametrize("hostname", ["w1", "W1", "7", "lab-pc_03", "w" * 63])
def test_host_names_that_a_worker_can_have(hostname: str) -> None:
    check({B: replace(TWO, hostname=hostname)})


def test_only_members_that_a_machine_may_be_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(machine: Machine) -> Identity:
        asked.append(machine.address)
        if machine.address == "c":
            raise MachineError("c does not answer")
        return ONE

    monkeypatch.setattr(identity, "ask", ask)
    members = [
        *MEMBERS,
        Member("id2", "one", "c", frozenset(), False),
        Member("id3", "three", "d", frozenset(), True),
        Member("id4", "one", "", frozenset(), True),
        Member("id5", "one", "local", frozenset(), True),
    ]
    found = identity.others({H: HEAD_ITSELF, B: replace(TWO, hostname="one")}, members, "root")
    assert (sorted(asked), found) == (["a", "c"], {"a": ONE})

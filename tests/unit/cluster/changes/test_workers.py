"""How one worker comes and goes: by what it is, and not by the address that was typed."""

from dataclasses import replace
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.changes import provision, upgrade, workers
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.members import identity, swarm, swarm_state
from cfiddle_slurm.cluster.members.identity import Identity
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.site import config
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.slurm_states import Node
from tests.unit.cluster.conftest import HEAD
from tests.unit.cluster.recorder import Recorder

THREE = Config(workers=("w1", "w2"), home="nfs")
FILE = Path("cluster.toml")
H = Member("id0", "h", "local", frozenset({"head", "user"}), True)
W1 = Member("id1", "one", "w1", frozenset({"worker"}), True)
W3 = Member("id3", "three", "w3", frozenset({"worker"}), False)
HEAD_ITSELF = Identity("h", "id0", "k0", state="active")
ONE = Identity("one", "id1", "k1", state="active")
NEW = Identity("four", "", "k4")


def nobody(text: str) -> None:
    raise AssertionError(text)


class Addresses(dict[str, Identity]):
    """What is at which address; all others do not answer."""

    def ask(self, machine: Machine) -> Identity:
        if machine.address not in self:
            raise MachineError(f"{machine} does not answer.")
        return self[machine.address]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    found = Addresses({"local": HEAD_ITSELF, "w1": ONE, "w4": NEW})
    monkeypatch.setattr(identity, "ask", found.ask)
    monkeypatch.setattr(identity, "glimpse", found.ask)
    return found


@pytest.fixture
def steps(
    recorder: Recorder, addresses: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Recorder:
    """A cluster on which nothing is done; it is up."""
    monkeypatch.chdir(tmp_path)
    FILE.write_text(config.example({"workers": ("w1", "w2")}))
    recorder.replace(distribution, push={}, push_older={})
    recorder.replace(upgrade, deployed={})
    recorder.replace(provision, machine=None)
    recorder.replace(slurm, nodes=[Node("one", "idle", "", "")], resume=None, delete=None,
                     wait_until_usable=None, drain=None, wait_until_free=None)  # fmt: skip
    recorder.replace(stack, wait_until_gone=None, remove_volumes=None)
    recorder.replace(swarm, join=None, settle=None, give_roles=None, take_role=None, forget=None,
                     members=[H, W1], node_id="id0", state="active", leave=None,
                     leave_dead=None)  # fmt: skip
    recorder.replace(swarm_state, check=True)
    recorder.replace(workers, require=None)
    monkeypatch.setattr(Machine, "docker", lambda *arguments: "four")
    return recorder


def in_order(steps: Recorder, *names: str) -> bool:
    """Whether these were called, and the last time of each after that of the one before."""
    last = [len(steps.calls) - steps.calls[::-1].index(name) for name in names]
    return last == sorted(last)


def unchanged(steps: Recorder) -> bool:
    """Whether nothing was done to a machine, to the swarm or to the file."""
    done = {"provision.machine", "swarm.join", "swarm.leave", "swarm.forget", "swarm.give_roles",
            "swarm.take_role", "slurm.drain", "distribution.push"}  # fmt: skip
    return not done & set(steps.calls) and config.load(FILE).workers == ("w1", "w2")


def test_a_new_worker_gets_all_before_its_role_and_then_is_written_down(steps: Recorder) -> None:
    assert workers.add(THREE, FILE, "w4", nobody) == "four"
    assert in_order(steps, "provision.machine", "swarm.join", "swarm.settle", "distribution.push",
                    "swarm.give_roles", "slurm.wait_until_usable")  # fmt: skip
    assert config.load(FILE).workers == ("w1", "w2", "w4")
    workers.add(config.load(FILE), FILE, "w4", nobody)
    assert config.load(FILE).workers == ("w1", "w2", "w4")


@pytest.mark.parametrize("step", ["join", "settle", "give_roles"])
def test_what_became_no_worker_is_not_written_down(steps: Recorder, step: str) -> None:
    steps.replace(swarm, **{step: MachineError("no")})
    before = FILE.read_text()
    with pytest.raises(MachineError, match="no"):
        workers.add(THREE, FILE, "w4", nobody)
    assert FILE.read_text() == before


def test_a_worker_without_the_images_gets_no_role(steps: Recorder) -> None:
    steps.replace(distribution, push={Machine("w4"): MachineError("no space left")})
    with pytest.raises(MachineError, match="no space left"):
        workers.add(THREE, FILE, "w4", nobody)
    assert "swarm.give_roles" not in steps.calls


@pytest.mark.parametrize("address", ["local", "a b", "root@w4", "", "-x"])
def test_what_is_no_address_of_a_worker_is_refused(steps: Recorder, address: str) -> None:
    with pytest.raises(ConfigError):
        workers.add(THREE, FILE, address, nobody)
    assert steps.calls == []


def test_an_alias_of_the_head_is_the_head(steps: Recorder, addresses: Addresses) -> None:
    addresses["alias"] = HEAD_ITSELF
    with pytest.raises(MachineError, match=r"^alias is the head itself \(h\), which cannot also"):
        workers.add(THREE, FILE, "alias", nobody)
    for name in ("alias", "local", "h"):
        with pytest.raises(MachineError, match=rf"^{name} is the head \(h\), which cannot be remo"):
            workers.remove(THREE, FILE, name, 60, nobody)
    assert unchanged(steps)


def test_an_alias_of_a_worker_is_that_worker(steps: Recorder, addresses: Addresses) -> None:
    addresses["alias"] = ONE
    said: list[str] = []
    workers.add(THREE, FILE, "alias", said.append)
    assert said == ["alias is one, already known as w1; that stays"]
    assert steps.arguments["swarm.give_roles"] == (HEAD, Machine("w1"), "worker")
    assert config.load(FILE).workers == ("w1", "w2")
    workers.remove(THREE, FILE, "alias", 60, nobody)
    assert steps.arguments["swarm.forget"] == (HEAD, W1)
    assert config.load(FILE).workers == ("w2",)


def test_a_worker_under_a_new_address_is_no_second_one(
    steps: Recorder, addresses: Addresses
) -> None:
    del addresses["w1"]
    addresses["moved"] = ONE
    said: list[str] = []
    workers.add(THREE, FILE, "moved", said.append)
    assert said == ["one is now reached at moved instead of w1"]
    assert config.load(FILE).workers == ("w2", "moved")


def test_two_machines_of_one_name_are_refused(steps: Recorder, addresses: Addresses) -> None:
    addresses["twin"] = Identity("one", "", "k9")
    with pytest.raises(MachineError, match=r"^Two machines are called one: w1 and twin"):
        workers.add(THREE, FILE, "twin", nobody)
    del addresses["w1"]  # it may be switched off only
    with pytest.raises(MachineError, match=r"^Two machines are called one: w1 and twin"):
        workers.add(THREE, FILE, "twin", nobody)
    assert unchanged(steps)


@pytest.mark.parametrize("name", ["w1", "one"])
def test_a_worker_goes_when_its_job_has_ended(steps: Recorder, name: str) -> None:
    workers.remove(THREE, FILE, name, 60, nobody)
    assert in_order(steps, "slurm.drain", "slurm.wait_until_free", "swarm.take_role",
                    "swarm.leave", "swarm.forget", "slurm.delete")  # fmt: skip
    assert config.load(FILE).workers == ("w2",)


def test_a_worker_with_a_job_stays(steps: Recorder) -> None:
    steps.replace(slurm, wait_until_free=MachineError("one still has a job"))
    with pytest.raises(MachineError, match="still has a job"):
        workers.remove(THREE, FILE, "w1", 60, nobody)
    assert "swarm.take_role" not in steps.calls
    assert config.load(FILE).workers == ("w1", "w2")


def test_a_dead_worker_is_not_waited_for(steps: Recorder) -> None:
    steps.replace(swarm, members=[H, W1, W3])
    steps.replace(slurm, nodes=[Node("three", "down", "", "")])
    said: list[str] = []
    workers.remove(THREE, FILE, "three", 60, said.append)
    assert said == ["w3 does not answer."]
    assert "slurm.wait_until_free" not in steps.calls
    assert "swarm.leave" not in steps.calls
    assert "slurm.delete" in steps.calls


def test_all_lives_of_a_machine_go_with_it(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = replace(W1, node_id="id9", ready=False)
    gone: list[str] = []
    steps.replace(swarm, members=[H, dead, W1])
    monkeypatch.setattr(swarm, "forget", lambda head, member: gone.append(member.node_id))
    workers.remove(THREE, FILE, "one", 60, nobody)
    assert sorted(gone) == ["id1", "id9"]
    assert "swarm.leave" in steps.calls  # the one that lives was asked


def test_an_address_that_has_become_another_machines_is_left_alone(
    steps: Recorder, addresses: Addresses
) -> None:
    addresses["w1"] = Identity("stranger", "id7", "k7", state="active")
    with pytest.raises(MachineError, match=r"^w1 now leads to another machine \(stranger\)"):
        workers.remove(THREE, FILE, "one", 60, nobody)
    assert unchanged(steps)


@pytest.mark.parametrize(
    ("there", "call"),
    [
        (ONE, "swarm.leave"),
        (Identity("one", "id7", "k1", state="active"), ""),  # of another swarm
        (Identity("one", "", "k1", state="error"), "swarm.leave_dead"),
        (Identity("other", "", "k1", state="error"), ""),
        (Identity("other", "", "k1", state="locked"), ""),
        (Identity("one", "", "k1"), ""),
        (Identity("one", "id7", "k1", state="active", managers=("h:2377",)), "swarm.leave"),
    ],
)
def test_only_who_is_a_member_leaves(
    steps: Recorder, addresses: Addresses, there: Identity, call: str
) -> None:
    addresses["w1"] = there
    said: list[str] = []
    workers.leave(Machine("w1"), [W1], purge=True, say=said.append, former=("h:2377",))
    left = {"swarm.leave", "swarm.leave_dead"} & set(steps.calls)
    assert left == ({call} if call else set())
    is_anothers = not call and there.state != "inactive"
    left_alone = f"w1 ({there.hostname}) belongs to another swarm and was left alone"
    assert said == [left_alone] * is_anothers
    assert ("stack.remove_volumes" in steps.calls) is not is_anothers


def test_what_does_not_answer_is_told_of_and_left_alone(steps: Recorder) -> None:
    steps.replace(stack, wait_until_gone=MachineError("w1 cannot be reached"))
    said: list[str] = []
    workers.leave(Machine("w1"), [W1], purge=True, say=said.append)
    assert said == ["w1 cannot be reached"]
    assert "stack.remove_volumes" not in steps.calls


def test_what_is_no_worker_cannot_be_removed(steps: Recorder) -> None:
    for act in (
        lambda: workers.remove(THREE, FILE, "w9", 60, nobody),
        lambda: workers.find(HEAD, "w9"),
    ):
        with pytest.raises(MachineError, match=r"^There is no worker 'w9'; the workers are one\.$"):
            act()
    assert unchanged(steps)


def test_what_never_joined_is_struck_off_the_file(steps: Recorder) -> None:
    workers.remove(THREE, FILE, "w2", 60, nobody)
    assert "swarm.forget" not in steps.calls
    assert config.load(FILE).workers == ("w1",)


@pytest.mark.parametrize(
    ("state", "resumed"),
    [
        ("idle", False),
        ("idle+not_responding", False),
        ("idle+drain", True),
        ("down+not_responding", True),
    ],
)
def test_only_a_worker_that_was_withdrawn_is_resumed_and_each_is_waited_for(
    steps: Recorder, state: str, resumed: bool
) -> None:
    # Slurm refuses to resume a node that needs it not.
    steps.replace(slurm, nodes=[Node("one", state, "", "")])
    assert workers.resume(HEAD, W1.address) == "one"
    assert ("slurm.resume" in steps.calls) is resumed
    assert steps.arguments["slurm.wait_until_usable"][:2] == (HEAD, ["one"])


def test_a_worker_whose_removal_was_interrupted_is_added_again(steps: Recorder) -> None:
    steps.replace(slurm, nodes=[Node("four", "idle+drain", "", slurm.REMOVED)])
    workers.add(THREE, FILE, "w4", nobody)
    assert in_order(steps, "slurm.resume", "slurm.wait_until_usable")


@pytest.mark.parametrize(
    ("state", "reason", "given", "kept"),
    [
        ("idle", "", None, workers.DRAINED),
        ("idle", "", "bad fan", "bad fan"),
        ("idle+drain", "bad fan", None, "bad fan"),
        ("idle+drain", "bad fan", "dust", "dust"),
        ("idle+drain", "cfiddle: no image", None, workers.DRAINED),
    ],
)
def test_a_worker_that_is_drained_again_keeps_its_reason(
    steps: Recorder, state: str, reason: str, given: str | None, kept: str
) -> None:
    steps.replace(slurm, nodes=[Node("one", state, "", reason)])
    workers.drain(HEAD, W1, given)
    assert steps.arguments["slurm.drain"] == (HEAD, "one", kept)

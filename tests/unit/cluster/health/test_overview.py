"""What `status` shows, and when it says that all is well."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.changes.upgrade import Deployed
from cfiddle_slurm.cluster.health import disks, overview, troubles
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.members import swarm, swarm_state
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.services.slurm import Job
from cfiddle_slurm.cluster.services.stack import NotHealthy, Service
from cfiddle_slurm.slurm_states import Node
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, Program

GOOD: dict[str, Any] = {
    "services": [{"name": "user", "healthy": 1, "wanted": 1, "ok": True}],
    "user_node_is_older": False,
    "machines": [{"name": "w1", "roles": ["worker"], "ready": True, "sandboxes": 2,
                  "disks": [{"what": "docker", "size": 20 << 30, "free": 9 << 30,
                             "inodes": 0, "inodes_free": 0, "low": False}], "clock_off": 0.4}],
    "workers": [{"name": "w1", "state": "idle", "features": "fast", "reason": "", "usable": True}],
    "queue": [{"job_id": "7", "name": "cfiddle-x", "user": "ann", "state": "RUNNING",
               "seconds": 7, "node": "w1", "reason": "None"}],
    "backlog": 7,
    "partition": "UP",
    "unanswered": None,
    "trouble": [],
}  # fmt: skip


def but(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    facts = copy.deepcopy(GOOD)
    change(facts)
    facts["trouble"] = troubles.of(facts)
    return facts


def test_all_is_well() -> None:
    assert troubles.of(GOOD) == []
    assert but(lambda facts: facts["queue"].clear())["trouble"] == []


FULL = {"what": "state", "size": 1 << 40, "free": 1 << 20, "inodes": 0, "inodes_free": 0,
        "low": True}  # fmt: skip
OUT = {"usable": False, "state": "idle+drain"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts["services"][0].update(ok=False, healthy=0), "The service user"),
        (lambda facts: facts["machines"][0].update(ready=False), "w1: the swarm has lost contact"),
        (lambda facts: facts["machines"][0].update(trouble="no way"), "w1: no way"),
        (lambda facts: facts["machines"][0].update(clock_off=600.0), "w1: its clock is 600 s off"),
        (
            lambda facts: facts["machines"][0]["disks"].append(FULL),
            "w1: the disk of the volume cfiddle_state (service controller) is full, with 1.0 MiB",
        ),
        (
            lambda facts: facts["workers"][0].update(
                OUT, reason="cfiddle: the sandbox image is missing (No such image)"
            ),
            "w1: the sandbox image is missing (No such image): run `cfiddle-cluster images push`.",
        ),
        (lambda facts: facts["workers"][0].update(OUT, reason="Prolog error"), "Prolog error: it"),
        (
            lambda facts: facts["workers"][0].update(OUT, reason="fan \x1b]0;broken"),
            "w1: out of service (fan \\x1b]0;broken); `cfiddle-cluster worker resume w1` puts",
        ),
        (
            lambda facts: facts["workers"][0].update(OUT, state="down+not_responding"),
            "w1: does not answer Slurm",
        ),
        (lambda facts: facts["workers"].clear(), "w1: Slurm does not know this worker"),
        (lambda facts: facts["workers"][0].update(name="w9"), "w9: Slurm has a worker of this"),
        (lambda facts: facts["machines"][0].update(roles=[]), "There is no worker"),
        (lambda facts: facts.update(partition="DOWN"), "No job starts: Slurm's partition is DOWN"),
        (lambda facts: facts.update(backlog=5000), "Accounting is 5000 messages behind"),
        (lambda facts: facts.update(unanswered="no controller", workers=[]), "no controller"),
    ],
)
def test_each_trouble_is_a_sentence(change: Callable[[dict[str, Any]], object], words: str) -> None:
    facts = but(change)
    found = facts["trouble"]
    assert any(words in sentence for sentence in found), found
    assert all(sentence.isprintable() for sentence in found)
    assert " ".join(words.split()[:3]) in " ".join(shown(facts).split())


def shown(facts: dict[str, Any]) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(overview.shown(facts))
    return captured.get()


def test_all_that_there_is_is_shown() -> None:
    text = shown(GOOD)
    for word in ("user", "worker", "docker: 9.0 GiB of 20.0 GiB", "w1", "idle", "fast", "ann",
                 "running", "0:00:07", "Queue: 1 jobs"):  # fmt: skip
        assert word in text


def test_what_is_not_known_is_shown_as_that() -> None:
    facts = but(lambda facts: facts["machines"][0].update(sandboxes=None, disks=[]))
    assert "?" in shown(facts)
    facts["machines"][0]["trouble"] = "w1 cannot be reached"
    assert "w1 cannot be reached" in shown(facts)
    facts = but(lambda facts: facts.update(unanswered="no controller"))
    assert shown(facts).splitlines()[-1] == "no controller"


def test_a_clock_that_is_wrong_is_named() -> None:
    facts = but(lambda facts: facts["machines"][0].update(clock_off=599.6))
    assert "its clock is 600 s off" in " ".join(shown(facts).split())


def test_an_older_user_node_is_shown_and_is_no_fault() -> None:
    facts = but(lambda facts: facts.update(user_node_is_older=True))
    assert "The user node still has an older version" in shown(facts)
    assert "older version" not in shown(GOOD)
    assert facts["trouble"] == []


def test_a_waiting_job_is_shown_with_its_reason_in_english() -> None:
    text = shown(but(lambda facts: facts["queue"][0].update(node="", reason="(Resources)")))
    assert "all workers are busy" in text


def test_a_long_queue_is_cut_and_counted() -> None:
    text = shown(but(lambda facts: facts.update(queue=facts["queue"] * 200)))
    assert "Queue: 200 jobs" in text
    assert "and 180 more" in text
    assert text.count("0:07") == 20


@pytest.fixture
def cluster(docker: Program, ssh: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A head and a worker, and one that nobody knows the way to; Slurm knows the worker."""
    members = [
        Member("id0", "h", "local", frozenset({"head", "user"}), True),
        Member("id1", "w1", "w1", frozenset({"worker"}), True),
        Member("id2", "w2", "", frozenset(), False),
    ]
    node, job = Node("w1", "idle", "", ""), Job("7", "ann", "RUNNING", 7, "w1", "None", "x")
    monkeypatch.setattr(swarm, "state", lambda head: "active")
    monkeypatch.setattr(swarm_state, "check", lambda head: True)
    monkeypatch.setattr(swarm, "members", lambda head: members)
    monkeypatch.setattr(stack, "services", lambda head: [Service("user", 1, 1)])
    services = {"user": Deployed("u:1", "old"), "sandboxd": Deployed("c:2", "new")}
    monkeypatch.setattr(upgrade, "deployed", lambda head: services)
    monkeypatch.setattr(slurm, "nodes", lambda head: [node])
    monkeypatch.setattr(slurm, "queue", lambda head: [job])
    monkeypatch.setattr(slurm, "diagnosis", lambda head: {"backlog": 3, "partition": "UP"})
    docker.answers("info *", "echo /")
    docker.answers("*ps --quiet *", "echo a; echo b")
    ssh.answers("*", BEHAVE_LIKE_SSH)
    return ssh


@pytest.mark.usefixtures("cluster")
def test_facts_are_gathered_as_plain_data() -> None:
    facts = overview.gather(HEAD, "root")
    assert json.loads(json.dumps(facts)) == facts
    assert facts["services"] == GOOD["services"]
    assert facts["user_node_is_older"] is True
    head, worker, lost = facts["machines"]
    assert (head["roles"], head["sandboxes"]) == (["head", "user"], 2)
    assert [disk["what"] for disk in worker["disks"]] == ["docker"]
    assert worker["disks"][0]["size"] > worker["disks"][0]["free"] > 0
    assert (facts["backlog"], facts["partition"]) == (3, "UP")
    assert worker["clock_off"] == 0.0
    assert (lost["ready"], lost["sandboxes"]) == (False, None)
    assert "The address of w2 is not known" in lost["trouble"]
    assert facts["workers"][0]["usable"] is True
    assert facts["queue"][0]["user"] == "ann"
    assert "w2" in shown(facts)


def test_a_machine_out_of_reach_does_not_hide_the_others(cluster: Program) -> None:
    cluster.answers("*", "echo 'No route to host' >&2; exit 255")
    head, worker, _ = overview.gather(HEAD, "root")["machines"]
    assert "it does not answer" in worker["trouble"]
    assert head["disks"]


@pytest.mark.usefixtures("cluster")
def test_without_a_controller_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(head: object) -> list[Node]:
        raise MachineError("Slurm does not answer")

    monkeypatch.setattr(slurm, "nodes", fail)
    facts = overview.gather(HEAD, "root")
    assert facts["trouble"][-1] == "Slurm does not answer"
    assert len(facts["machines"]) == 3


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("state", ["inactive", "active"])
def test_a_cluster_that_is_not_up(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(swarm, "state", lambda head: state)
    monkeypatch.setattr(stack, "services", lambda head: [])
    with pytest.raises(NotHealthy, match="The cluster is not up: `up` starts it"):
        overview.gather(HEAD, "root")


def test_a_swarm_that_does_not_start_is_shown_with_its_reason(docker: Program) -> None:
    docker.answers(
        "info *", "echo '/|error|false|x509: certificate has expired or is not yet valid'"
    )
    with pytest.raises(MachineError, match=r"certificates of the swarm .* have expired: `up` ren"):
        overview.gather(HEAD, "root")


def test_disks_are_read_from_what_df_prints() -> None:
    text = "docker 1000 50 100 4\nstate 2000 300 - -\nhome\nnonsense 1 2 3 4\ndatabase df: no 1 2\n"
    docker, state = disks.parse(text)
    assert (docker.size, docker.free, docker.inodes_free) == (1000, 50, 4)
    assert (state.what, state.free, state.inodes) == ("state", 300, 0)
    assert docker.low and not state.low


@pytest.mark.parametrize(
    ("size", "free", "inodes", "inodes_free", "low"),
    [
        (10 << 40, 2 << 30, 0, 0, False),
        (10 << 40, 1 << 29, 0, 0, True),
        (1 << 30, 100 << 20, 0, 0, False),  # a small one may be all but full
        (1 << 30, 10 << 20, 0, 0, True),
        (10 << 40, 2 << 30, 10**9, 500, True),
        (10 << 40, 2 << 30, 10**9, 50_000, False),
    ],
)
def test_a_disk_is_low(size: int, free: int, inodes: int, inodes_free: int, low: bool) -> None:
    assert disks.Disk("docker", size, free, inodes, inodes_free).low is low


def test_what_lies_on_the_same_disk_is_named_together() -> None:
    rows = [{"what": what, "size": 2 << 30, "free": 1 << 30} for what in ("docker", "state")]
    rows.append({"what": "home", "size": 3 << 40, "free": 2 << 40})
    assert disks.in_words(rows) == "docker, state: 1.0 GiB of 2.0 GiB; home: 2.0 TiB of 3.0 TiB"

"""What `status` shows, and when it says that all is well."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from cfiddle_slurm.cluster import overview, slurm, stack, swarm, upgrade
from cfiddle_slurm.cluster.machines import MachineError
from cfiddle_slurm.cluster.slurm import Job, Node
from cfiddle_slurm.cluster.stack import NotHealthy, Service
from cfiddle_slurm.cluster.swarm import Member
from cfiddle_slurm.cluster.upgrade import Deployed
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, Program

GOOD: dict[str, Any] = {
    "services": [{"name": "user", "healthy": 1, "wanted": 1, "ok": True}],
    "user_node_is_older": False,
    "machines": [{"name": "m1", "roles": ["worker"], "ready": True, "sandboxes": 2,
                  "disk": " 41%  9000M", "clock_off": 0.4}],
    "workers": [{"name": "w1", "state": "idle", "features": "fast", "reason": "", "usable": True}],
    "queue": [{"job_id": "7", "name": "cfiddle-x", "user": "ann", "state": "RUNNING",
               "seconds": "0:07", "node": "w1", "reason": "None"}],
    "trouble": None,
}  # fmt: skip


def but(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    facts = copy.deepcopy(GOOD)
    change(facts)
    return facts


def test_all_is_well() -> None:
    assert overview.healthy(GOOD)
    assert overview.healthy(but(lambda facts: facts["queue"].clear()))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts["services"][0].update(ok=False),
        lambda facts: facts["machines"][0].update(ready=False),
        lambda facts: facts["workers"][0].update(usable=False),
        lambda facts: facts.update(trouble="The service controller has no healthy container."),
    ],
)
def test_one_thing_amiss_is_not_well(change: Callable[[dict[str, Any]], object]) -> None:
    assert not overview.healthy(but(change))


def shown(facts: dict[str, Any]) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(overview.shown(facts))
    return captured.get()


def test_all_that_there_is_is_shown() -> None:
    text = shown(GOOD)
    for word in ("user", "m1", "worker", "41% 9000M", "w1", "idle", "fast", "ann", "running",
                 "0:07", "Queue: 1 jobs"):  # fmt: skip
        assert word in text


def test_what_is_not_known_is_shown_as_that() -> None:
    facts = but(lambda facts: facts["machines"][0].update(sandboxes=None, disk=None))
    assert "?" in shown(facts)
    facts["machines"][0]["trouble"] = "m1 cannot be reached"
    assert "m1 cannot be reached" in shown(facts)
    facts["trouble"] = "no controller"
    assert shown(facts).splitlines()[-1] == "no controller"


def test_a_clock_that_is_wrong_is_named() -> None:
    facts = but(lambda facts: facts["machines"][0].update(clock_off=599.6))
    assert "its clock is 600 s off" in " ".join(shown(facts).split())
    assert not overview.healthy(facts) and overview.healthy(GOOD)


def test_an_older_user_node_is_shown_and_is_no_fault() -> None:
    facts = but(lambda facts: facts.update(user_node_is_older=True))
    assert "The user node is of an older version" in shown(facts)
    assert "older version" not in shown(GOOD)
    assert overview.healthy(facts)


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
    node, job = Node("w1", "idle", "", ""), Job("7", "x", "ann", "RUNNING", "0:07", "w1", "None")
    monkeypatch.setattr(swarm, "state", lambda head: "active")
    monkeypatch.setattr(swarm, "members", lambda head: members)
    monkeypatch.setattr(stack, "services", lambda head: [Service("user", 1, 1)])
    services = {"user": Deployed("u:1", "old"), "sandboxd": Deployed("c:2", "new")}
    monkeypatch.setattr(upgrade, "deployed", lambda head: services)
    monkeypatch.setattr(slurm, "nodes", lambda head: [node])
    monkeypatch.setattr(slurm, "queue", lambda head: [job])
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
    assert "%" in worker["disk"]
    assert worker["clock_off"] == 0.0
    assert (lost["ready"], lost["sandboxes"]) == (False, None)
    assert "not known how to reach w2" in lost["trouble"]
    assert facts["workers"][0]["usable"] is True
    assert facts["queue"][0]["user"] == "ann"
    assert "w2" in shown(facts)


def test_a_machine_out_of_reach_does_not_hide_the_others(cluster: Program) -> None:
    cluster.answers("*", "echo 'No route to host' >&2; exit 255")
    head, worker, _ = overview.gather(HEAD, "root")["machines"]
    assert "No route to host" in worker["trouble"]
    assert head["disk"]


@pytest.mark.usefixtures("cluster")
def test_without_a_controller_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(head: object) -> list[Node]:
        raise MachineError("Slurm does not answer")

    monkeypatch.setattr(slurm, "nodes", fail)
    facts = overview.gather(HEAD, "root")
    assert facts["trouble"] == "Slurm does not answer"
    assert len(facts["machines"]) == 3
    assert not overview.healthy(facts)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("state", ["inactive", "active"])
def test_a_cluster_that_is_not_up(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(swarm, "state", lambda head: state)
    monkeypatch.setattr(stack, "services", lambda head: [])
    with pytest.raises(NotHealthy, match="The cluster is not up: `up` starts it"):
        overview.gather(HEAD, "root")

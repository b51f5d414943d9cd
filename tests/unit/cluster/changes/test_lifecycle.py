"""The order in which a cluster is made, changed and taken down."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from cfiddle_slurm.cluster.changes import (
    bring_up,
    lifecycle,
    revival,
    unchanged,
    upgrade,
    workers,
)
from cfiddle_slurm.cluster.changes.upgrade import Deployed, Postponed, Work
from cfiddle_slurm.cluster.hosts.fleet import Incomplete
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.image.content import digest
from cfiddle_slurm.cluster.image.images import CLUSTER
from cfiddle_slurm.cluster.members import identity, swarm, swarm_state
from cfiddle_slurm.cluster.members.identity import Identity
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.people import accounts, open_work
from cfiddle_slurm.cluster.people.open_work import OpenWork
from cfiddle_slurm.cluster.services import credentials, rendering, slurm, stack
from cfiddle_slurm.cluster.services.slurm import Job
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.slurm_states import Node
from tests.unit.cluster.conftest import HEAD, Program
from tests.unit.cluster.image_facts import facts, inspected
from tests.unit.cluster.recorder import Recorder

THREE = Config(workers=("w1", "w2"), home="nfs")
H = Member("id0", "h", "local", frozenset({"head", "user"}), True)
W1 = Member("id1", "one", "w1", frozenset({"worker"}), True)
W3 = Member("id3", "three", "w3", frozenset({"worker"}), False)


def nobody(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def steps(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A cluster on which nothing is done; it is up."""
    recorder.replace(accounts, add={}, listed=[])
    recorder.replace(credentials, ensure=None, remove=None)
    recorder.replace(distribution, check_built={}, push={}, push_older={}, remove_registry=None)
    recorder.replace(identity, ask=Identity("h"), check=None, others={})
    recorder.replace(revival, renew_if_expired=None)
    recorder.replace(swarm_state, check=True)
    recorder.replace(unchanged, check=None)
    recorder.replace(upgrade, deployed={"user": Deployed("u:1", "1")})
    recorder.replace(open_work, look=OpenWork())
    recorder.replace(slurm, ensure_users=None, nodes=[Node("one", "idle", "", "")], resume=None,
                     wait_until_usable=None, queue=[], command="")  # fmt: skip
    recorder.replace(stack, ensure_home=None, versioned="cfiddle-sandbox:1",
                     deploy={rendering.EDITION: "1"}, container_on="c0ffee", deploy_user_node=None,
                     wait_until_healthy=None, remove=None, remove_old_configuration=None,
                     remove_volumes=None, published_ports=[8888], wait_until_gone=None)  # fmt: skip
    recorder.replace(swarm, remove_left_links=None)
    recorder.replace(swarm, make=None, address_of="10.0.0.1", join=None, give_roles=None,
                     take_role=None, state="active", members=[H, W1], workers=[W1], leave=None,
                     node_id="id0", was_made_here=True, settle=None)  # fmt: skip
    recorder.replace(workers, leave=None)
    recorder.replace(lifecycle, require=None)
    recorder.replace(bring_up, require=None, tidy=None)
    recorder.replace(rendering, limits_toml="")
    monkeypatch.setattr(Machine, "docker", lambda *arguments, **options: "")
    return recorder


def in_order(steps: Recorder, *names: str) -> bool:
    """Whether these were called, and the last time of each after that of the one before."""
    last = [len(steps.calls) - steps.calls[::-1].index(name) for name in names]
    return last == sorted(last)


def test_each_step_finds_what_it_needs(steps: Recorder) -> None:
    steps.replace(stack, deploy={rendering.EDITION: "2"}, container_on=stack.NotHealthy("none"))
    steps.replace(open_work, look=OpenWork({"ann": 1}))
    lifecycle.up(THREE, 60, nobody)
    assert in_order(
        steps,
        # before anything is changed
        "lifecycle.require",
        "revival.renew_if_expired",
        "swarm_state.check",
        "distribution.check_built",
        "unchanged.check",
        "bring_up.require",
        "identity.check",
        # what is changed
        "swarm.make",
        "swarm.join",
        "swarm.settle",
        "credentials.ensure",
        "stack.ensure_home",
        "accounts.add",
        "distribution.push",
        "distribution.push_older",
        "swarm.give_roles",  # services start by it, and need their images
        "stack.deploy",
        "stack.deploy_user_node",
        "stack.wait_until_healthy",
        "rendering.limits_toml",
        "slurm.ensure_users",
        "slurm.wait_until_usable",
        "open_work.look",  # all that a new notebook needs is there
        "bring_up.tidy",
    )
    assert steps.calls.count("swarm.join") == 2
    assert steps.calls.count("swarm.give_roles") == 3


@pytest.mark.parametrize("at_once", [True, False])
def test_a_user_node_that_somebody_uses_is_left_to_the_end(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    steps.replace(stack, deploy={rendering.EDITION: "2"})
    if at_once:
        steps.replace(stack, container_on=stack.NotHealthy("none"))
    steps.replace(open_work, look=OpenWork({"ann": 1}))
    left = lifecycle.up(THREE, 60, nobody)
    assert left == Postponed(OpenWork({"ann": 1}), {rendering.EDITION: "2"})
    assert steps.calls.count("stack.deploy_user_node") == at_once
    tasks = iter("12")
    monkeypatch.setattr(upgrade, "_task", lambda head: next(tasks))
    said: list[str] = []
    assert lifecycle.up(THREE, 60, said.append, now=True) is None
    assert "the user node is replaced" in said
    assert steps.calls.count("stack.deploy_user_node") == 1 + 2 * at_once


def test_the_sandbox_image_is_named_by_its_content(steps: Recorder) -> None:
    lifecycle.up(THREE, 60, nobody)
    _, config, *_ = steps.arguments["stack.deploy"]
    assert isinstance(config, Config)
    assert config.policy.images == ("cfiddle-sandbox:1", "cfiddle-sandbox:latest")


def test_a_cluster_of_one_machine_listens_to_nobody_and_has_no_registry(steps: Recorder) -> None:
    lifecycle.up(Config(), 60, nobody)
    assert steps.arguments["swarm.make"] == (HEAD, "")
    assert steps.arguments["swarm.give_roles"] == (HEAD, HEAD, "head", "user", "worker")
    assert steps.arguments["distribution.push"][-1] is False
    assert "swarm.join" not in steps.calls


def test_images_go_the_way_that_the_file_says(steps: Recorder) -> None:
    lifecycle.up(THREE, 60, nobody)
    assert steps.arguments["distribution.push"][-1] is True
    lifecycle.up(Config(workers=("w1",), home="nfs", registry=False), 60, nobody)
    assert steps.arguments["distribution.push"][-1] is False


def test_without_images_nothing_is_changed(steps: Recorder) -> None:
    steps.replace(distribution, check_built=MachineError("not built"))
    with pytest.raises(MachineError, match="not built"):
        lifecycle.up(THREE, 60, nobody)
    assert steps.calls[-1] == "distribution.check_built"


@pytest.mark.parametrize(
    ("module", "name"), [(unchanged, "check"), (swarm_state, "check"), (identity, "check")]
)
def test_what_is_refused_is_refused_before_anything_is_changed(
    steps: Recorder, module: ModuleType, name: str
) -> None:
    steps.replace(module, **{name: MachineError("no")})
    with pytest.raises(MachineError, match="no"):
        lifecycle.up(THREE, 60, nobody)
    changes = {"swarm.make", "swarm.join", "credentials.ensure", "stack.ensure_home",
               "accounts.add", "distribution.push", "swarm.give_roles", "stack.deploy"}  # fmt: skip
    assert not changes & set(steps.calls)


def fail_for(address: str, words: str) -> Callable[[Machine], None]:
    """An action that one machine cannot do."""

    def act(machine: Machine, *others: object) -> None:
        if machine.address == address:
            raise MachineError(words)

    return act


@pytest.mark.parametrize("where", ["require", "join", "settle", "push", "give_roles"])
def test_one_dead_worker_does_not_hold_up_the_others(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "push":
        steps.replace(distribution, push={Machine("w2"): MachineError("w2 is ill")})
    elif where == "require":
        monkeypatch.setattr(bring_up, where, fail_for("w2", "w2 is ill"))
    elif where == "join":
        monkeypatch.setattr(swarm, where, fail_for("w2", "w2 is ill"))
    else:
        monkeypatch.setattr(
            swarm, where, lambda head, worker, *roles: fail_for("w2", "ill")(worker)
        )
    said: list[str] = []
    with pytest.raises(Incomplete, match=r"^w2(: ill| is ill)\nThe rest is up\.$"):
        lifecycle.up(THREE, 60, said.append)
    assert said and said[0].startswith("w2") and said[0].endswith("The others continue.")
    assert steps.calls[-1] == "bring_up.tidy"
    assert steps.arguments["bring_up.tidy"][0] == Machine("w1")
    assert steps.calls.count("bring_up.tidy") == 2  # the head
    assert steps.calls.count("stack.deploy") == 1


def test_without_any_worker_it_is_not_up(steps: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.replace(bring_up, require=MachineError("it does not answer"))
    with pytest.raises(MachineError, match=r"^w1: it does not answer\nw2: .*$") as caught:
        lifecycle.up(THREE, 60, lambda text: None)
    assert not isinstance(caught.value, Incomplete)  # of which one may say: "The rest is up."
    assert "swarm.make" not in steps.calls


def with_workers(*addresses: str) -> Work:
    """A work for which these have been reached."""
    return Work(Config(workers=addresses, home="nfs"), 60, nobody)


def test_a_dead_worker_is_not_waited_for(steps: Recorder) -> None:
    steps.replace(swarm, workers=[W1, W3])
    bring_up.enable(with_workers("w1"))
    assert steps.arguments["slurm.wait_until_usable"][1] == ["one"]
    bring_up.enable(with_workers("w1", "w3"))  # it is just coming
    assert steps.arguments["slurm.wait_until_usable"][1] == ["one", "three"]


@pytest.mark.parametrize(
    ("node", "resumed"),
    [
        (Node("one", "idle+drain", "", slurm.RETIRING), True),
        (Node("one", "idle+drain", "", "bad fan"), False),  # somebody wanted it so
        (Node("one", "idle", "", slurm.RETIRING), False),
        (Node("other", "idle+drain", "", slurm.RETIRING), False),
    ],
)
def test_only_workers_that_were_replaced_are_resumed(
    steps: Recorder, node: Node, resumed: bool
) -> None:
    steps.replace(slurm, nodes=[node])
    bring_up.enable(with_workers())
    assert ("slurm.resume" in steps.calls) is resumed


def left(steps: Recorder) -> int:
    """How many machines were asked to leave if they are members."""
    return steps.calls.count("workers.leave")


def test_what_a_person_took_out_of_service_is_nothing_to_wait_for(steps: Recorder) -> None:
    steps.replace(slurm, nodes=[Node("one", "idle+drain", "", "bad fan")])
    bring_up.enable(with_workers())
    assert steps.arguments["slurm.wait_until_usable"][1] == []
    steps.replace(slurm, nodes=[Node("one", "idle+drain", "", "cfiddle: no image")])
    bring_up.enable(with_workers())
    assert steps.arguments["slurm.wait_until_usable"][1] == ["one"]


def test_down_keeps_the_data_unless_told_otherwise(steps: Recorder) -> None:
    lifecycle.down(THREE, purge=False, say=nobody)
    assert in_order(steps, "slurm.queue", "stack.remove", "workers.leave", "swarm.leave")
    assert left(steps) == 2  # w2 as well, which is in the file
    assert steps.calls.count("swarm.leave") == 1
    assert "stack.remove_volumes" not in steps.calls
    lifecycle.down(THREE, purge=True, say=nobody)
    assert steps.calls.count("stack.remove_volumes") == 1
    assert True in steps.arguments["workers.leave"]


def test_down_leaves_no_machine_out_that_the_file_forgot(steps: Recorder) -> None:
    steps.replace(swarm, members=[H, W1, W3])
    lifecycle.down(Config(workers=("w1",), home="nfs"), purge=False, say=nobody)
    assert left(steps) == 2
    # Members without the head: whatever address somebody gave it, it does not go as a worker.
    assert steps.arguments["workers.leave"][1] == [W1, W3]


def test_running_jobs_are_ended_first(steps: Recorder) -> None:
    job = Job("7", "ann", "RUNNING", 7, "one", "", "x")
    steps.replace(slurm, queue=[job, Job("8", "bob", "PENDING", 0, "", "", "x")])
    lifecycle.down(THREE, purge=False, say=nobody)
    assert steps.arguments["slurm.command"][1:] == ("scancel", "--quiet", "7", "8")
    steps.replace(slurm, queue=stack.NotHealthy("no controller"))
    lifecycle.down(THREE, purge=False, say=nobody)  # it must be possible all the same


def test_down_in_a_swarm_of_somebody_elses_takes_the_secrets_along(steps: Recorder) -> None:
    lifecycle.down(Config(), purge=False, say=nobody)
    assert "credentials.remove" not in steps.calls
    before = steps.calls.count("swarm.leave")
    steps.replace(swarm, was_made_here=False)
    lifecycle.down(Config(), purge=False, say=nobody)
    assert "credentials.remove" in steps.calls
    assert steps.calls.count("swarm.leave") == before


def test_down_twice_is_no_error(steps: Recorder) -> None:
    steps.replace(swarm_state, check=False)
    steps.replace(swarm, state="inactive", was_made_here=False)
    lifecycle.down(Config(), purge=False, say=nobody)
    assert not {"stack.remove", "swarm.leave", "credentials.remove"} & set(steps.calls)


def test_old_tags_go_where_nothing_uses_them(docker: Program) -> None:
    names = ("sandbox", "cluster", "user")
    Path("facts").write_text(inspected(*(facts(name) for name in names)))
    docker.answers("image inspect *", "cat facts")
    for name in names:
        tags = ("latest", CLUSTER.tag_of(digest(facts(name))).partition(":")[2], "old1", "old2",
                "use")  # fmt: skip
        words = "; ".join(f"echo cfiddle-{name}:{tag}" for tag in tags)
        docker.answers(f"image ls * cfiddle-{name}", words)
    docker.answers("image rm *old1", "echo 'is being used' >&2; exit 1")
    docker.answers("image rm *old2")
    bring_up.tidy(HEAD, {f"cfiddle-{name}:use" for name in names})
    assert docker.those("rm") == [
        f"image rm cfiddle-{name}:{tag}"
        for name in ("sandbox", "cluster", "user")
        for tag in ("old1", "old2")
    ]

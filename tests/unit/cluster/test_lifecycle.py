"""The order in which a cluster is made, changed and taken down."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster import (
    accounts,
    config,
    credentials,
    distribution,
    lifecycle,
    provision,
    slurm,
    stack,
    swarm,
    upgrade,
)
from cfiddle_slurm.cluster.config import Config, ConfigError
from cfiddle_slurm.cluster.machines import Machine, MachineError
from cfiddle_slurm.cluster.open_work import OpenWork
from cfiddle_slurm.cluster.slurm import Job, Node
from cfiddle_slurm.cluster.swarm import Member
from cfiddle_slurm.cluster.upgrade import Deployed, Postponed
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, Program
from tests.unit.cluster.recorder import Recorder

THREE = Config(workers=("w1", "w2"), home="nfs")
FILE = Path("cluster.toml")
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
    recorder.replace(distribution, check_built={}, push=None, push_older=None,
                     remove_registry=None)  # fmt: skip
    recorder.replace(upgrade, deployed={}, roll_out={}, may_be_deployed_at_once=True, settle=None)
    recorder.replace(provision, machine=None)
    recorder.replace(slurm, ensure_users=None, nodes=[Node("one", "idle", "", "")], resume=None,
                     wait_until_usable=None, queue=[], command="", drain=None, delete=None,
                     wait_until_free=None)  # fmt: skip
    recorder.replace(stack, ensure_home=None, versioned="cfiddle-sandbox:1", deploy={},
                     deploy_user_node=None, wait_until_healthy=None, remove=None,
                     remove_old_configuration=None, remove_volumes=[],
                     wait_until_gone=None)  # fmt: skip
    recorder.replace(swarm, make=None, address_of="10.0.0.1", join=None, give_roles=None,
                     take_role=None, state="active", members=[H, W1], workers=[W1], leave=None,
                     node_id="id0", was_made_here=True, forget=None)  # fmt: skip
    recorder.replace(lifecycle, require=None, tidy=None)
    monkeypatch.setattr(Machine, "check_shell", lambda *arguments: "")
    monkeypatch.setattr(Machine, "docker", lambda *arguments: "one")
    return recorder


def in_order(steps: Recorder, *names: str) -> bool:
    """Whether these were called, and the last time of each after that of the one before."""
    last = [len(steps.calls) - steps.calls[::-1].index(name) for name in names]
    return last == sorted(last)


def test_each_step_finds_what_it_needs(steps: Recorder) -> None:
    lifecycle.up(THREE, 60, nobody)
    assert in_order(
        steps,
        "lifecycle.require",  # before anything is changed
        "distribution.check_built",
        "swarm.make",
        "swarm.join",
        "credentials.ensure",
        "stack.ensure_home",
        "accounts.add",
        "distribution.push",
        "distribution.push_older",
        "swarm.give_roles",  # services start by it, and need their images
        "upgrade.roll_out",
        "stack.deploy_user_node",
        "stack.wait_until_healthy",
        "slurm.ensure_users",
        "slurm.wait_until_usable",
        "upgrade.settle",  # all that a new notebook needs is there
        "lifecycle.tidy",
    )
    assert steps.calls.count("swarm.join") == 2
    assert steps.calls.count("swarm.give_roles") == 3


@pytest.mark.parametrize("at_once", [True, False])
def test_a_user_node_that_somebody_uses_is_left_to_the_end(steps: Recorder, at_once: bool) -> None:
    left = Postponed(OpenWork((("ann", 1),)), {})
    steps.replace(upgrade, may_be_deployed_at_once=at_once, settle=left)
    assert lifecycle.up(THREE, 60, nobody) is left
    assert ("stack.deploy_user_node" in steps.calls) is at_once
    assert False in steps.arguments["upgrade.settle"]  # not at once, unless it is asked for
    lifecycle.up(THREE, 60, nobody, now=True)
    assert True in steps.arguments["upgrade.settle"]


def test_the_sandbox_image_is_named_by_its_content(steps: Recorder) -> None:
    lifecycle.up(THREE, 60, nobody)
    _, config, *_ = steps.arguments["upgrade.roll_out"]
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
    assert steps.calls == ["lifecycle.require", "distribution.check_built"]


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
    assert lifecycle.resume_worker(HEAD, W1.address) == "one"
    assert ("slurm.resume" in steps.calls) is resumed
    assert steps.arguments["slurm.wait_until_usable"][:2] == (HEAD, ["one"])


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
    lifecycle.enable(HEAD, THREE)
    assert ("slurm.resume" in steps.calls) is resumed


def test_down_keeps_the_data_unless_told_otherwise(steps: Recorder) -> None:
    lifecycle.down(THREE, purge=False, say=nobody)
    assert in_order(steps, "slurm.queue", "stack.remove", "stack.wait_until_gone", "swarm.leave")
    assert steps.calls.count("swarm.leave") == 3  # the head, and w2 as well, which is in the file
    assert "stack.remove_volumes" not in steps.calls
    lifecycle.down(THREE, purge=True, say=nobody)
    assert steps.calls.count("stack.remove_volumes") == 3


def test_down_leaves_no_machine_out_that_the_file_forgot(steps: Recorder) -> None:
    steps.replace(swarm, members=[H, W1, W3])
    lifecycle.down(Config(workers=("w1",), home="nfs"), purge=False, say=nobody)
    assert steps.calls.count("stack.wait_until_gone") == 2


def test_running_jobs_are_ended_first(steps: Recorder) -> None:
    job = Job("7", "x", "ann", "RUNNING", "0:07", "one", "")
    steps.replace(slurm, queue=[job, Job("8", "x", "bob", "PENDING", "0:00", "", "")])
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
    assert steps.calls.count("swarm.leave") == before + 1  # w1 only


def test_down_twice_is_no_error(steps: Recorder) -> None:
    steps.replace(swarm, state="inactive", was_made_here=False)
    lifecycle.down(Config(), purge=False, say=nobody)
    assert not {"stack.remove", "swarm.leave", "credentials.remove"} & set(steps.calls)


def test_a_worker_that_does_not_answer_is_told_of_and_left_alone(steps: Recorder) -> None:
    steps.replace(stack, wait_until_gone=MachineError("w1 cannot be reached"))
    said: list[str] = []
    lifecycle.down(THREE, purge=True, say=said.append)
    assert said == ["w1 cannot be reached"] * 2
    assert steps.calls[-1] == "stack.remove_volumes"  # the head's


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FILE.write_text(config.example({"workers": ("w1", "w2")}))
    return FILE


def test_a_new_worker_gets_all_before_its_role_and_then_is_written_down(
    steps: Recorder, file: Path
) -> None:
    assert lifecycle.add_worker(THREE, file, "w3", nobody) == "one"
    assert in_order(steps, "provision.machine", "swarm.join", "distribution.push",
                    "swarm.give_roles", "slurm.wait_until_usable")  # fmt: skip
    assert config.load(file).workers == ("w1", "w2", "w3")
    lifecycle.add_worker(config.load(file), file, "w3", nobody)
    assert config.load(file).workers == ("w1", "w2", "w3")


@pytest.mark.parametrize("step", ["join", "give_roles"])
def test_what_became_no_worker_is_not_written_down(steps: Recorder, file: Path, step: str) -> None:
    steps.replace(swarm, **{step: MachineError("no")})
    before = file.read_text()
    with pytest.raises(MachineError, match="no"):
        lifecycle.add_worker(THREE, file, "w3", nobody)
    assert file.read_text() == before


def test_the_head_becomes_no_worker(steps: Recorder, file: Path) -> None:
    before = file.read_text()
    with pytest.raises(ConfigError, match="The head 'local' is listed as a worker"):
        lifecycle.add_worker(THREE, file, "local", nobody)
    assert (file.read_text(), steps.calls) == (before, [])


@pytest.mark.parametrize("name", ["w1", "one"])
def test_a_worker_goes_when_its_job_has_ended(steps: Recorder, file: Path, name: str) -> None:
    assert lifecycle.remove_worker(THREE, file, name, 60, nobody) is True
    assert in_order(steps, "slurm.drain", "slurm.wait_until_free", "swarm.take_role",
                    "swarm.leave", "swarm.forget", "slurm.delete")  # fmt: skip
    assert config.load(file).workers == ("w2",)


def test_a_worker_with_a_job_stays(steps: Recorder, file: Path) -> None:
    steps.replace(slurm, wait_until_free=MachineError("one still has a job"))
    with pytest.raises(MachineError, match="still has a job"):
        lifecycle.remove_worker(THREE, file, "w1", 60, nobody)
    assert "swarm.take_role" not in steps.calls
    assert config.load(file).workers == ("w1", "w2")


def test_a_dead_worker_is_not_waited_for(steps: Recorder, file: Path) -> None:
    steps.replace(swarm, workers=[W1, W3])
    steps.replace(slurm, nodes=[Node("three", "down", "", "")])
    lifecycle.remove_worker(THREE, file, "three", 60, nobody)
    assert "slurm.wait_until_free" not in steps.calls
    assert "slurm.delete" in steps.calls


def test_what_is_no_worker_cannot_be_removed(steps: Recorder, file: Path) -> None:
    assert lifecycle.remove_worker(THREE, file, "w9", 60, nobody) is False
    assert steps.calls == ["swarm.workers"]
    with pytest.raises(MachineError, match="There is no worker 'w9'; there are one"):
        lifecycle.find_worker(HEAD, "w9")


def test_old_tags_go_where_nothing_uses_them(
    docker: Program, ssh: Program, recorder: Recorder
) -> None:
    recorder.replace(stack, remove_old_configuration=None)
    user = Deployed("cfiddle-user:use", "1", "cfiddle-sandbox:use")
    recorder.replace(upgrade, deployed={"user": user, "munge": Deployed("cfiddle-cluster:use")})
    ssh.answers("*", BEHAVE_LIKE_SSH)
    docker.answers("image inspect *", "echo sha256:0123456789abcdef")
    tags = 'echo "$4:latest"; echo "$4:0123456789ab"; echo "$4:old1"; echo "$4:old2"; echo "$4:use"'
    docker.answers("image ls *", tags)
    docker.answers("image rm *old1", "echo 'is being used' >&2; exit 1")
    docker.answers("image rm *old2")
    lifecycle.tidy(HEAD, Config())
    assert docker.those("rm") == [
        f"image rm cfiddle-{name}:{tag}"
        for name in ("sandbox", "cluster", "user")
        for tag in ("old1", "old2")
    ]

"""Administrators who mistype, are two or were interrupted; machines that are not who they seem.

All of it is refused in one sentence before anything is changed, or mended.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.changes import unchanged
from tests.machines.harness import Machines, docker
from tests.patience import wait_for

pytestmark = pytest.mark.timeout(900)
EXPIRE = Path(__file__).parent / "expire"


@pytest.fixture(autouse=True)
def as_before(cluster: Machines) -> Iterator[None]:
    """After each test the file and the members are as they were."""
    text, members = cluster.file.read_text(), nodes(cluster)
    yield
    cluster.file.write_text(text)
    assert sorted(members) == sorted(nodes(cluster))


@pytest.fixture
def well(cluster: Machines) -> Iterator[None]:
    """After the test, in which much is done, the cluster is healthy."""
    yield
    wait_for(lambda: cluster.cluster("status").status == 0, "the cluster is healthy")


def nodes(cluster: Machines) -> list[str]:
    """Names of the swarm's members and what each is for."""
    names = cluster.on("head", "docker", "node", "ls", "--format={{.ID}}").split()
    template = "{{.Description.Hostname}} {{.Spec.Labels}}"
    return cluster.on("head", "docker", "node", "inspect", f"--format={template}", *names).split(
        "\n"
    )


@contextmanager
def alias(cluster: Machines, name: str, machine: str) -> Iterator[None]:
    """Another name for a machine, as somebody's ~/.ssh/config may have it."""
    config = cluster.folder / "ssh_config"
    text = config.read_text()
    config.write_text(f"{text}\nHost {name}\n  HostName {cluster.address(machine)}\n")
    try:
        yield
    finally:
        config.write_text(text)


def refused(cluster: Machines, *words: str) -> str:
    """What is said of a command that must fail, in one sentence or two, and quickly."""
    began = time.monotonic()
    done = cluster.cluster(*words, timeout=120)
    assert done.status == 1, f"{words}: {done.stdout}{done.stderr}"
    assert time.monotonic() - began < 60
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def changed(cluster: Machines, old: str, new: str) -> None:
    """Have the cluster's file say something else."""
    text = cluster.file.read_text()
    assert old in text
    cluster.file.write_text(text.replace(old, new, 1))


def test_the_head_by_another_name_is_the_head(cluster: Machines) -> None:
    with alias(cluster, "headalias", "head"):
        assert "headalias is the head itself (head)" in refused(
            cluster, "worker", "add", "headalias"
        )
        for name in ("headalias", "head", cluster.address("head")):
            assert "which cannot be removed" in refused(cluster, "worker", "remove", name)
        changed(cluster, "workers = [", 'workers = ["headalias", ')
        assert "headalias is the head itself" in refused(cluster, "up", "--no-test")
    state = cluster.on("head", "docker", "info", "--format={{.Swarm.ControlAvailable}}")
    assert state == "true"


def test_a_worker_by_another_name_is_that_worker(cluster: Machines) -> None:
    with alias(cluster, "w1alias", "w1"):
        said = cluster.check("worker", "add", "w1alias")
        assert "w1alias is w1, already known as" in said
        assert "w1alias" not in cluster.file.read_text()
        changed(cluster, "workers = [", 'workers = ["w1alias", ')
        assert "are the same machine (w1): name it once" in refused(cluster, "up", "--no-test")


def test_two_machines_of_one_name_are_not_one(cluster: Machines) -> None:
    twin = cluster.start("w4", hostname="w2")
    try:
        words = refused(cluster, "worker", "add", twin)
        assert f"Two machines are called w2: {cluster.address('w2')} and {twin}." in words
        state = cluster.on("w4", "docker", "info", "--format={{.Swarm.LocalNodeState}}")
        assert state == "inactive"
    finally:
        cluster.discard("w4")


@pytest.mark.usefixtures("well")
def test_one_at_a_time_and_the_second_is_told_who(cluster: Machines) -> None:
    first = subprocess.Popen(
        cluster.command("up", "--no-test"), env=cluster.environment, stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(2)
        words = refused(cluster, "worker", "drain", "w1")
        assert "has run `up` since " in words and f"(process {first.pid})" in words
        cluster.check("run", "jovyan", "true")  # students are not held up
    finally:
        first.kill()
        first.wait()
    # Whoever was killed holds nobody up either, and can go on.
    cluster.check("worker", "resume", "w1")
    cluster.check("up", "--no-test")


@pytest.mark.usefixtures("well")
def test_a_worker_that_was_put_into_order_by_hand_is_one_member(cluster: Machines) -> None:
    cluster.on("head", "docker", "node", "update", "--label-add=rack=7", "w2")
    cluster.on("w2", "docker", "swarm", "leave", "--force")
    cluster.check("up", "--no-test")
    names = cluster.on("head", "docker", "node", "ls", "--format={{.Hostname}}").split()
    assert sorted(names) == ["head", "w1", "w2"]
    label = "--format={{.Spec.Labels.rack}}"
    assert cluster.on("head", "docker", "node", "inspect", label, "w2") == "7"
    cluster.on("head", "docker", "node", "update", "--label-rm=rack", "w2")


@pytest.mark.usefixtures("well")
def test_one_dead_worker_does_not_hold_up_the_others(cluster: Machines) -> None:
    address = cluster.address("w2")
    cluster.kill("w2")
    try:
        for words, rest in (
            (("up",), "The rest is up."),
            (("images", "push"), "The others have the head's images."),
        ):
            done = cluster.cluster(*words)
            assert done.status == 1
            assert f"Error: {address} cannot be reached by ssh as root: it does" in done.stderr
            assert done.stderr.endswith(f"{rest}\n")
    finally:
        cluster.boot("w2")


@pytest.mark.usefixtures("well")
def test_an_engine_that_can_be_in_no_swarm_is_named(cluster: Machines) -> None:
    script = (
        "mkdir -p /etc/docker; echo '{\"live-restore\": true}' >/etc/docker/daemon.json;"
        " pkill -x dockerd; sleep 3"
    )
    cluster.on("w2", "sh", "-c", script)
    try:
        done = cluster.cluster("up", "--no-test")
        assert done.status == 1
        assert "live-restore" in done.stderr and done.stderr.endswith("The rest is up.\n")
        assert "live-restore is on" in cluster.cluster("check").stdout
    finally:
        cluster.on("w2", "rm", "/etc/docker/daemon.json")
        cluster.wait_for_engine("w2")


def secrets(cluster: Machines) -> list[str]:
    """The ids of the cluster's secrets; an id is never given twice."""
    return sorted(cluster.on("head", "docker", "secret", "ls", "--quiet").split())


@pytest.mark.usefixtures("well")
def test_a_head_that_was_off_for_a_summer_comes_back_with_all_it_had(cluster: Machines) -> None:
    before, address = secrets(cluster), cluster.check("url")
    assert len(before) >= 3
    cluster.execute("head", EXPIRE.read_text())
    cluster.wait_for_engine("head")
    for words in (("status",), ("update",), ("worker", "remove", "w1"), ("down",)):
        assert "have expired: `up` renews them" in refused(cluster, *words)
    assert "the swarm on" in cluster.check("up", "--no-test")
    assert (secrets(cluster), cluster.check("url")) == (before, address)
    cluster.check("run", "jovyan", "true")


@pytest.mark.usefixtures("well")
def test_a_locked_head_is_told_with_what_unlocks_it(cluster: Machines) -> None:
    before = secrets(cluster)
    cluster.on("head", "docker", "swarm", "update", "--autolock")
    key = cluster.on("head", "docker", "swarm", "unlock-key", "--quiet")
    cluster.on("head", "pkill", "-x", "dockerd")
    time.sleep(1)
    cluster.wait_for_engine("head")
    for words in (("status",), ("up", "--no-test"), ("down",)):
        assert "is locked: `docker swarm unlock` on it" in refused(cluster, *words)
    cluster.execute("head", f"echo {key} | docker swarm unlock")
    wait_for(
        lambda: process.run(
            cluster.arguments_on("head", "docker", "node", "ls"), timeout=60
        ).status == 0,
        "the swarm answers",
    )  # fmt: skip
    cluster.on("head", "docker", "swarm", "update", "--autolock=false")
    cluster.check("up", "--no-test")
    assert secrets(cluster) == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "', 'name = "x', "Set name = 'cfiddle'"),
        ('home_path = "', 'home_path = "/elsewhere', "Set home and home_path back"),
        ('head = "{head}"', 'head = "{w1}"', "is also listed as a worker"),
        ('head = "{head}"\n', 'head = "nosuch"\n', "its name cannot be resolved"),
    ],
    ids=["name", "home", "head is a worker", "no such head"],
)
def test_a_change_that_would_lose_something_is_refused(
    cluster: Machines, old: str, new: str, words: str
) -> None:
    addresses = {name: cluster.address(name) for name in ("head", "w1")}
    changed(cluster, old.format(**addresses), new.format(**addresses))
    for command in (("up", "--no-test"), ("update",)):
        assert words in refused(cluster, *command)


def test_slurm_writes_the_name_down_as_is_expected(cluster: Machines) -> None:
    # By it a cluster that is down is known.
    place = "/var/lib/slurm/slurmctld/clustername"
    text = cluster.on_service("head", "controller", "cat", place)
    assert unchanged.kept_name_in(text) == "cfiddle"


def test_another_machines_worker_becomes_no_head(cluster: Machines) -> None:
    addresses = {name: cluster.address(name) for name in ("head", "w1", "w2")}
    changed(cluster, f'head = "{addresses["head"]}"', f'head = "{addresses["w2"]}"')
    changed(cluster, f', "{addresses["w2"]}"', "")
    for command in (("up", "--no-test"), ("status",), ("down",)):
        assert "is a worker in the swarm of another head" in refused(cluster, *command)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("worker", "remove", "nosuch"), "There is no worker 'nosuch'; the workers are w1, w2."),
        (("worker", "drain", "nosuch"), "There is no worker 'nosuch'; the workers are w1, w2."),
        (("worker", "add", "nosuch"), "its name cannot be resolved"),
        (("worker", "add", "root@w1"), "is not the name or address of a machine"),
        (("shell", "worker", "nosuch"), "There is no worker 'nosuch'"),
        (("logs", "nosuch"), "There is no service 'nosuch'"),
    ],
)
def test_a_typing_error_is_one_sentence(
    cluster: Machines, command: tuple[str, ...], words: str
) -> None:
    assert words in refused(cluster, *command)


@pytest.mark.usefixtures("well")
def test_whoever_was_killed_can_go_on(cluster: Machines) -> None:
    killed = []
    for words in (("worker", "remove", "w2"), ("worker", "add", cluster.address("w2"))):
        for seconds in (2, 4):
            try:
                cluster.cluster(*words, timeout=seconds)
            except process.CommandTimeout:
                killed.append(words[1])
    assert "add" in killed  # it brings images, and waits for Slurm; a removal may be done in time
    cluster.check("worker", "add", cluster.address("w2"))
    assert docker("ps", "--quiet", f"--filter=name={cluster.name}-w2")

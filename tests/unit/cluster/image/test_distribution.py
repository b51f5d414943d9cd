"""How images come from the head to the machines that run them."""

import json
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import content, distribution
from cfiddle_slurm.cluster.image.images import CLUSTER, IMAGES, SANDBOX, USER
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, Program
from tests.unit.cluster.image_facts import facts

W1, W2 = Machine("w1"), Machine("w2")
FAR_HEAD = Machine("h")
ALL = [HEAD, W1, W2]


def prefix(machine: Machine) -> str:
    return "" if machine.is_local else f"--host={machine.docker_url} "


def identity(name: str) -> str:
    return content.digest(facts(name.removeprefix("cfiddle-")))


OLDER = content.digest(facts("cluster", mark="older"))


class Engines:
    """All machines' engines; which has which image is in folders, one for each."""

    def __init__(self, docker: Program, *machines: Machine) -> None:
        self.docker = docker
        for name in ("sandbox", "cluster", "user"):
            Path(f"right-{name}").write_text(json.dumps(facts(name)))
        for machine in machines:
            here = prefix(machine)
            Path(f"images-{machine.address}").mkdir(exist_ok=True)
            docker.answers(f"{here}image inspect *", self._inspect(machine))
            for words in ("tag *", "push *", "image rm *", "pull *", "run *", "rm *"):
                docker.answers(f"{here}{words}")
            docker.answers(f"{here}container inspect *", "echo true")

    @staticmethod
    def _inspect(machine: Machine) -> str:
        return (
            f"cd images-{machine.address}; sep='['\n"
            'for one in sandbox cluster user; do if [ -e "$one" ]; then printf "%s" "$sep"; '
            'sep=,; cat "$one"; else echo "Error: No such image: $one" >&2; fi; done\n'
            '[ "$sep" = , ] && echo "]" || echo "[]"\n'
            "[ -e sandbox ] && [ -e cluster ] && [ -e user ]"
        )

    def have(self, machine: Machine, *images: str, **others: str) -> None:
        """From now on a machine has the right images, and others with another mark."""
        folder = Path(f"images-{machine.address}")
        for file in folder.iterdir():
            file.unlink()
        for name in images:
            (folder / name).write_text(json.dumps(facts(name)))
        for name, mark in others.items():
            (folder / name).write_text(json.dumps(facts(name, mark=mark)))

    def arrive(self, machine: Machine, words: str, *images: str, at: Machine | None = None) -> None:
        """A command to a machine's engine after which it, or another, has the right images."""
        folder = f"images-{(at or machine).address}"
        # First, so that it counts.
        copies = "; ".join(f"cp right-{name} {folder}/{name}" for name in images)
        self.docker.answers(f"{prefix(machine)}{words}", copies)


@pytest.fixture
def engines(docker: Program) -> Engines:
    found = Engines(docker, *ALL)
    found.have(HEAD, "sandbox", "cluster", "user")
    return found


CLUSTER_TAGS = {
    image.name.removeprefix("cfiddle-"): image.tag_of(identity(image.name)) for image in IMAGES
}


def push(registry: bool, *machines: Machine, head: Machine = HEAD) -> list[str]:
    said: list[str] = []
    failures = distribution.push(head, machines or ALL, said.append, registry=registry)
    for error in failures.values():
        raise error
    return said


def test_a_machine_gets_what_it_runs() -> None:
    assert distribution.wanted(HEAD, HEAD) == IMAGES
    assert distribution.wanted(W1, HEAD) == (CLUSTER, SANDBOX)
    assert USER not in distribution.wanted(W1, HEAD)


def test_what_a_machine_has(engines: Engines) -> None:
    engines.have(W1, "sandbox", cluster="older")
    assert distribution.digests(W1) == {
        "cfiddle-sandbox": identity("sandbox"), "cfiddle-cluster": OLDER,
    }  # fmt: skip
    assert distribution.digests(W2) == {}


def test_an_image_that_is_not_built_is_told_with_how_to(engines: Engines) -> None:
    assert set(distribution.check_built(HEAD)) == {image.name for image in IMAGES}
    engines.have(HEAD, "sandbox", "cluster")
    with pytest.raises(MachineError, match=r"cfiddle-user is not built on this .*images build"):
        push(True)


@pytest.mark.parametrize("registry", [True, False])
def test_whoever_has_all_gets_nothing(engines: Engines, registry: bool) -> None:
    engines.have(W1, "sandbox", "cluster")
    engines.have(W2, "sandbox", "cluster")
    assert push(registry) == []
    words = {word for call in engines.docker.calls for word in call}
    assert not words & {"save", "load", "push", "pull", "run"}


def test_whether_all_have_the_heads_images(engines: Engines) -> None:
    engines.have(W1, "sandbox", "cluster")
    engines.have(W2, "sandbox", cluster="older")
    assert distribution.are_everywhere(HEAD, [W1])
    assert distribution.are_everywhere(HEAD, [])
    assert not distribution.are_everywhere(HEAD, [W1, W2])
    engines.docker.answers(f"{prefix(W1)}image inspect *", "echo gone >&2; exit 1")
    assert not distribution.are_everywhere(HEAD, [W1])
    words = {word for call in engines.docker.calls for word in call}
    assert not words & {"save", "load", "push", "pull", "run", "tag"}, "it only looks"


def test_services_find_each_image_under_a_tag_of_its_content(engines: Engines) -> None:
    engines.have(W1, "sandbox", "cluster")
    push(False, HEAD, W1)
    assert set(engines.docker.those("tag")) == {
        f"{prefix(W1)}tag cfiddle-{name}:latest {CLUSTER_TAGS[name]}"
        for name in ("cluster", "sandbox")
    }


def test_images_are_copied_to_whom_they_lack(engines: Engines) -> None:
    engines.have(W1, "sandbox", cluster="older")
    engines.docker.answers("save *", "echo archive of $*")
    engines.arrive(W1, "load --quiet", "cluster", "sandbox")
    engines.arrive(W2, "load --quiet", "cluster", "sandbox")
    assert push(False) == [
        "w1: copying cfiddle-cluster", "w2: copying cfiddle-cluster, cfiddle-sandbox",
    ]  # fmt: skip
    assert engines.docker.those("save") == [
        "save cfiddle-cluster:latest", "save cfiddle-cluster:latest cfiddle-sandbox:latest",
    ]  # fmt: skip
    load = [f"--host={W2.docker_url}", "load", "--quiet"]
    assert engines.docker.input_of(*load).startswith(b"archive of save cfiddle-cluster:latest ")


def test_a_copy_that_fails_is_told_with_its_words(engines: Engines) -> None:
    engines.docker.answers("save *", "echo archive")
    engines.docker.answers(f"{prefix(W1)}load *", "echo 'no space left' >&2; exit 1")
    with pytest.raises(MachineError, match="could not be copied to w1: no space left"):
        push(False)
    engines.docker.answers("save *", "echo 'no such image' >&2; exit 1")
    engines.docker.answers(f"{prefix(W1)}load *")
    with pytest.raises(MachineError, match="could not be copied to w1: no such image"):
        push(False)


def test_an_image_that_arrives_as_another_is_an_error(engines: Engines) -> None:
    engines.have(W2, "sandbox", "cluster")
    engines.have(W1, "sandbox", cluster="older")
    engines.docker.answers("save *", "echo archive")
    engines.docker.answers(f"{prefix(W1)}load *")
    with pytest.raises(
        MachineError,
        match=f"cfiddle-cluster on w1 is {OLDER}, not the head's {identity('cluster')}",
    ):
        push(False)
    tags = engines.docker.those("tag")
    assert not [line for line in tags if line.startswith(prefix(W1))]  # else services would take it


def place(name: str) -> str:
    return f"127.0.0.1:5017/cfiddle-{name}:{identity(name).removeprefix('sha256:')[:12]}"


def test_images_go_through_the_heads_registry(engines: Engines, ssh: Program) -> None:
    engines.have(W1, "sandbox", "cluster")
    ssh.answers("*root@w2 *", BEHAVE_LIKE_SSH)
    # On the worker it is a plain `docker`, too.
    engines.arrive(HEAD, f"tag {place('cluster')} *", "cluster", at=W2)
    engines.arrive(HEAD, f"tag {place('sandbox')} *", "sandbox", at=W2)
    said = push(True)
    assert sorted(said[:2]) == [
        f"pushing cfiddle-{name} to the registry on this machine" for name in ("cluster", "sandbox")
    ]
    assert said[2:] == ["w2: pulling cfiddle-cluster, cfiddle-sandbox"]
    assert set(engines.docker.those("push")) == {
        f"push --quiet {place(name)}" for name in ("cluster", "sandbox")
    }
    pulled = [line for line in engines.docker.lines if line.startswith("pull ")]
    assert pulled == [f"pull --quiet {place(name)}" for name in ("cluster", "sandbox")]
    (call,) = ssh.calls
    assert call[call.index("-R") + 1] == "127.0.0.1:5017:127.0.0.1:5017"
    assert {"ExitOnForwardFailure=yes", "ControlPath=none"} <= set(call)


def test_another_heads_registry_is_reached_through_a_tunnel(docker: Program, ssh: Program) -> None:
    engines = Engines(docker, FAR_HEAD, W1)
    engines.have(FAR_HEAD, "sandbox", "cluster", "user")
    ssh.answers("*root@h *", "echo ready; exec cat >/dev/null", reads=False)
    ssh.answers("*root@w1 *", "cp right-cluster images-w1/cluster; cp right-sandbox"
                " images-w1/sandbox")  # fmt: skip
    push(True, FAR_HEAD, W1, head=FAR_HEAD)
    tunnel, pull = ssh.calls
    here, _, there = tunnel[tunnel.index("-L") + 1].removeprefix("127.0.0.1:").partition(":")
    assert there == "127.0.0.1:5017"
    assert pull[pull.index("-R") + 1] == f"127.0.0.1:5017:127.0.0.1:{here}"


def test_a_pull_that_fails_is_told_with_its_words(engines: Engines, ssh: Program) -> None:
    ssh.answers("*", "echo 'Error: manifest unknown' >&2; exit 1")
    with pytest.raises(MachineError, match="w1 could not pull the images: Error: manifest unknown"):
        push(True)


@pytest.mark.parametrize(
    ("inspect", "starts"), [("echo true", 0), ("echo false", 1), ("exit 1", 1)]
)
def test_the_registry_is_started_once_and_for_the_loopback_only(
    engines: Engines, inspect: str, starts: int
) -> None:
    engines.docker.answers("container inspect *", inspect)
    distribution.ensure_registry(HEAD)
    runs = engines.docker.those("run")
    assert len(runs) == starts
    for run in runs:
        assert " --publish=127.0.0.1:5017:5000 " in run
        assert run.endswith(" cfiddle-registry:latest")


def test_one_machine_that_gets_no_images_does_not_keep_them_from_others(engines: Engines) -> None:
    engines.docker.answers("save *", "echo archive")
    engines.docker.answers(f"{prefix(W1)}load *", "echo 'no space left' >&2; exit 1")
    engines.arrive(W2, "load --quiet", "cluster", "sandbox")
    failures = distribution.push(HEAD, ALL, lambda text: None, registry=False)
    assert {machine.address: str(error) for machine, error in failures.items()} == {
        "w1": "The images could not be copied to w1: no space left"
    }
    assert len(engines.docker.those("tag")) == 2


def test_a_machine_out_of_reach_is_not_one_without_images(engines: Engines) -> None:
    words = "error during connect: exit status 255: ssh: connect to host w1: Connection refused"
    engines.docker.answers(f"{prefix(W1)}image inspect *", f"echo '{words}' >&2; exit 1")
    with pytest.raises(MachineError, match="w1 cannot be reached by ssh as root: no ssh server"):
        push(True, HEAD, W1)
    assert engines.docker.those("push") == []


def test_a_worker_gets_the_older_images_that_notebooks_need(docker: Program) -> None:
    docker.answers("image inspect *")
    docker.answers("image inspect *:gone", "exit 1")
    docker.answers(f"{prefix(W1)}image inspect *")
    docker.answers(f"{prefix(W2)}image inspect *", "exit 1")
    docker.answers("save *", "echo images")
    docker.answers(f"{prefix(W2)}load *", "cat >loaded", reads=False)
    said: list[str] = []
    tags = {"cfiddle-sandbox:old", "cfiddle-sandbox:gone", "cfiddle-user:old"}
    distribution.push_older(HEAD, [W1, W2], tags, said.append)
    assert said == ["w2: copying cfiddle-sandbox:old"]
    assert docker.those("save") == ["save cfiddle-sandbox:old"]
    assert Path("loaded").read_text() == "images\n"

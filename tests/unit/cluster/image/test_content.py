"""Images are compared by what is in them."""

import json
from typing import Any

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.image import content
from cfiddle_slurm.cluster.image.images import CLUSTER, SANDBOX
from tests.unit.cluster.conftest import HEAD, Program
from tests.unit.cluster.image_facts import facts, facts_of_containerd, inspected


@pytest.mark.parametrize("terse", [False, True])
def test_an_image_is_the_same_in_whichever_store(terse: bool) -> None:
    other = facts_of_containerd(terse=terse)
    assert facts()["Id"] != other["Id"]
    assert content.digest(facts()) == content.digest(other)
    assert content.digest(facts(mark="x")) != content.digest(other)


@pytest.mark.parametrize(
    "change",
    [
        {"Architecture": "arm64"},
        {"RootFS": {"Type": "layers", "Layers": ["sha256:" + "1" * 64]}},
        {"Config": {**facts()["Config"], "Env": ["PATH=/bin"]}},
        {"Config": {**facts()["Config"], "User": "7000"}},
        {"Config": {**facts()["Config"], "Labels": None}},
    ],
    ids=lambda change: ",".join(change),
)
def test_another_content_is_another_image(change: dict[str, Any]) -> None:
    assert content.digest({**facts(), **change}) != content.digest(facts())


def test_when_it_was_built_or_tagged_is_no_content() -> None:
    later = {**facts(), "Created": "2027-01-01T00:00:00Z", "Metadata": {}, "Id": "sha256:0"}
    assert content.digest(later) == content.digest(facts())


def test_what_an_engine_has_of_several(docker: Program) -> None:
    docker.answers("image inspect cfiddle-cluster:latest cfiddle-sandbox:latest",
                   f"echo '{inspected(facts('cluster'))}'"
                   "; echo 'Error response from daemon: No such image: cfiddle-sandbox' >&2"
                   "; exit 1")  # fmt: skip
    found = content.of(HEAD, (CLUSTER, SANDBOX))
    assert found == {"cfiddle-cluster": content.digest(facts("cluster"))}


def test_an_engine_that_fails_is_not_one_without_images(docker: Program) -> None:
    docker.answers("image inspect *", "echo 'Cannot connect to the daemon' >&2; exit 1")
    with pytest.raises(MachineError, match="`docker image inspect` failed on this machine: Cannot"):
        content.of(HEAD, (CLUSTER,))


def test_the_facts_are_those_of_json() -> None:
    (again,) = json.loads(inspected(facts()))
    assert content.digest(again) == content.digest(facts())

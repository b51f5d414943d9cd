"""A run gets the image that was made for its notebook's versions, from the real engine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.sandbox.versions import LABEL, text_of
from tests.sandbox.harness import IMAGE, POLICY, SANDBOX_VERSIONS, Sandboxd, probe_bundle

pytestmark = pytest.mark.docker
REPOSITORY = f"cfiddle-test-editions-{os.getpid()}"
SECONDS = 120.0


@pytest.fixture
def editions(tmp_path: Path) -> Iterator[Sandboxd]:
    """A daemon whose default image says that it is for others, with an older one beside it."""
    versions = {"new": {**SANDBOX_VERSIONS, "cfiddle_slurm": "99"}, "old": SANDBOX_VERSIONS}
    tags = [f"{REPOSITORY}:{name}" for name in versions]
    try:
        for tag, wanted in zip(tags, versions.values(), strict=True):
            label = f"--label={LABEL}={text_of(wanted)}"
            process.check(
                ["docker", "build", "--quiet", label, f"--tag={tag}", "-"],
                timeout=SECONDS, input=f"FROM {IMAGE}\n".encode(),
                env={**os.environ, "DOCKER_BUILDKIT": "0"},
            )  # fmt: skip
        policy = POLICY.replace(f'"{IMAGE}"', f'"{tags[0]}"')
        with Sandboxd(tmp_path / "sandboxd", policy) as daemon:
            daemon.start()
            yield daemon
    finally:
        process.run(["docker", "image", "rm", *tags], timeout=SECONDS)


def test_a_notebook_of_older_versions_gets_its_own_image(editions: Sandboxd) -> None:
    found = {}
    for name, versions in {
        "older": SANDBOX_VERSIONS,
        "newer": {**SANDBOX_VERSIONS, "cfiddle_slurm": "99"},
        "unknown": {**SANDBOX_VERSIONS, "cfiddle_slurm": "7"},
        "silent": None,
    }.items():
        report = editions.run(probe_bundle("look"), versions=versions).report()
        assert report["outcome"]["kind"] == "ok", report["outcome"]
        found[name] = report["image"]
    default = f"{REPOSITORY}:new"
    assert found == {
        "older": f"{REPOSITORY}:old", "newer": default, "unknown": default, "silent": default
    }  # fmt: skip


def test_an_image_that_is_named_is_not_chosen_anew(editions: Sandboxd) -> None:
    named = editions.run(probe_bundle("look"), versions=SANDBOX_VERSIONS, image=f"{REPOSITORY}:new")
    assert named.report()["image"] == f"{REPOSITORY}:new"

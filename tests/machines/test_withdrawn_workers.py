"""Workers that are out of service: by a person's will, until a person ends that; or by their
machine's trouble, until that is over."""

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.slurm_states import Node, parse_nodes
from tests.machines import full_disk
from tests.machines.harness import Machines
from tests.patience import wait_for

pytestmark = pytest.mark.timeout(900)
PROGRAM = Path(__file__).parent / "many_runs.py"
SANDBOX = "cfiddle-sandbox:latest"
_PROLOG = "/usr/local/lib/cfiddle-slurm/prolog"


@pytest.fixture(autouse=True)
def all_is_well(cluster: Machines) -> Iterator[None]:
    """After each test the cluster is as healthy as before."""
    yield
    wait_for(lambda: cluster.cluster("status").status == 0, "the cluster is healthy")


def node(cluster: Machines, name: str) -> Node:
    """A worker as Slurm sees it; one that is nowhere while Slurm does not answer."""
    show = ("scontrol", "--oneliner", "show", "nodes")
    command = ("docker", "exec", cluster.container("head", "controller"), *show)
    done = process.run(cluster.arguments_on("head", *command), timeout=60)
    found = {each.name: each for each in parse_nodes(done.stdout)}
    return found.get(name, Node(name, "", "", ""))


@contextlib.contextmanager
def replaced(cluster: Machines) -> Iterator[None]:
    """Until w1's worker is another than before, and a healthy one: one that takes no jobs because
    it was told so is healthy, too."""
    before = cluster.container("w1", "worker")
    yield
    wait_for(lambda: cluster.container("w1", "worker") not in ("", before), "there is another")

    def healthy() -> bool:
        container = cluster.container("w1", "worker")
        check = ("docker", "exec", container, "/usr/local/lib/cfiddle-slurm/healthy", "worker")
        return process.run(cluster.arguments_on("w1", *check), timeout=60).status == 0

    wait_for(healthy, "the worker is healthy")


def add_users(cluster: Machines, folder: Path, names: list[str]) -> None:
    """Have accounts added by a class list, with the program that makes many runs in their homes."""
    (folder / "class.csv").write_text("name\n" + "\n".join(names) + "\n")
    cluster.check("user", "import", str(folder / "class.csv"))
    for name in names:
        cluster.check("copy", name, str(PROGRAM), "many_runs.py")


def runs(cluster: Machines, user: str, count: int) -> list[dict[str, Any]]:
    """Have a user make many runs at once."""
    words = ("python3", "-W", "ignore", "many_runs.py", str(count), "0")
    found: list[dict[str, Any]] = json.loads(cluster.check("run", user, *words).splitlines()[-1])
    return found


def errors(found: list[dict[str, Any]]) -> list[str]:
    return [run["error"] for run in found if run["error"] is not None]


def test_what_a_person_set_stays_set_whatever_restarts(cluster: Machines, tmp_path: Path) -> None:
    add_users(cluster, tmp_path, ["steady"])
    cluster.check("worker", "drain", "w1", "--reason", "fan broken")
    # At once: Slurm itself would write the node's state down within five seconds.
    cluster.on("head", "pkill", "-KILL", "-f", "^slurmctld -D")
    wait_for(lambda: node(cluster, "w1").withdrawn, "the controller is back, and has not forgotten")
    with replaced(cluster):
        cluster.on("w1", "pkill", "-KILL", "-f", "^slurmd -D")
    with replaced(cluster):  # this time stopped in good order
        cluster.on("head", "docker", "service", "update", "--quiet", "--force", "cfiddle_worker")
    cluster.check("up", "--no-test")
    found = node(cluster, "w1")
    assert found.kept_out and found.reason == "fan broken"
    facts = cluster.cluster("status")
    assert facts.status == 1
    assert "w1: out of service (fan broken)" in " ".join(facts.stdout.split())
    assert {run["node"] for run in runs(cluster, "steady", 3)} == {"w2"}
    cluster.check("worker", "resume", "w1")
    assert node(cluster, "w1").usable


def test_a_worker_whose_image_is_gone_takes_no_runs_and_comes_back(
    cluster: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = [f"image{number}" for number in range(5)]
    add_users(cluster, tmp_path, users)
    with ThreadPoolExecutor(len(users)) as pool:
        done = [pool.submit(runs, cluster, user, 12) for user in users]
        wait_for(lambda: node(cluster, "w1").busy, "runs are on w1")
        cluster.on("w1", "docker", "image", "rm", "--force", SANDBOX)
        began = time.monotonic()
        try:
            wait_for(lambda: node(cluster, "w1").withdrew_itself, "w1 withdraws itself", 30)
            withdrawn = time.monotonic() - began
            found = [run for each in done for run in each.result()]
            reason = node(cluster, "w1").reason
            said = cluster.cluster("status")
        finally:
            cluster.check("images", "push")
    began = time.monotonic()
    wait_for(lambda: node(cluster, "w1").usable, "w1 comes back by itself", 30)
    with capsys.disabled():
        print(
            f"\nimage removed under {len(found)} runs: withdrawn after {withdrawn:.1f} s,"
            f" back {time.monotonic() - began:.1f} s after it"
        )
    assert errors(found) == []
    assert "sandbox image is missing" in reason
    assert said.status == 1
    words = " ".join(said.stdout.split())
    assert "w1: the sandbox image is missing" in words and "`cfiddle-cluster images push`" in words


def test_a_job_that_its_worker_could_not_start_is_tried_elsewhere(
    cluster: Machines, tmp_path: Path
) -> None:
    add_users(cluster, tmp_path, ["prolog"])
    keep, fail = f"mv {_PROLOG} {_PROLOG}.kept", f"printf '#!/bin/sh\nexit 1\n' >{_PROLOG}"
    cluster.inside("w1", "worker", f"{keep} && {fail} && chmod +x {_PROLOG}")
    try:
        found = runs(cluster, "prolog", 4)
        assert errors(found) == []
        assert {run["node"] for run in found} == {"w2"}
        ended = ("sacct", "-X", "-n", "-P", "--user=prolog", "--format=State,NodeList")
        assert "CANCELLED by 0|w1" in cluster.on_service("head", "controller", *ended)
    finally:
        cluster.inside("w1", "worker", f"mv {_PROLOG}.kept {_PROLOG}")
    wait_for(lambda: node(cluster, "w1").usable, "Slurm's own reason does not last", 60)


def test_a_full_disk_of_slurmds_own_is_survived(cluster: Machines, tmp_path: Path) -> None:
    add_users(cluster, tmp_path, ["spool"])
    place = "/var/lib/slurm/slurmd"
    cluster.inside("w1", "worker", full_disk.FILL.format(place=place))
    try:
        wait_for(lambda: node(cluster, "w1").withdrew_itself, "w1 withdraws itself", 30)
        found = runs(cluster, "spool", 2)
        assert (errors(found), {run["node"] for run in found}) == ([], {"w2"})
    finally:
        cluster.inside("w1", "worker", full_disk.EMPTY.format(place=place))
    wait_for(lambda: node(cluster, "w1").usable, "there is room again, and w1 comes back", 60)


def test_a_full_disk_of_the_controllers_state_is_named(cluster: Machines, tmp_path: Path) -> None:
    add_users(cluster, tmp_path, ["state"])
    place = "/var/lib/slurm"
    cluster.inside("head", "controller", full_disk.FILL.format(place=place))
    try:
        (said,) = set(errors(runs(cluster, "state", 1)))
        assert said.startswith("SchedulerUnavailable")
        assert "disk of the cluster's head is full" in said and "whoever runs the cluster" in said
        facts = cluster.status()
        (sentence,) = facts["trouble"]
        assert sentence.startswith(
            "head: the disk of the volume cfiddle_state (service controller)"
        )
    finally:
        cluster.inside("head", "controller", full_disk.EMPTY.format(place=place))
    assert errors(runs(cluster, "state", 1)) == []


def test_a_worker_that_is_no_machine_is_named(cluster: Machines) -> None:
    slurm = ("head", "controller", "scontrol")
    cluster.on_service(*slurm, "create", "NodeName=ghost", "State=CLOUD")
    try:
        assert any("ghost: Slurm has a worker of" in each for each in cluster.status()["trouble"])
    finally:
        cluster.on_service(*slurm, "delete", "NodeName=ghost")

"""The cluster of three machines: it measures, grows and shrinks, and survives its parts."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.machines.harness import Machines
from tests.patience import wait_for

pytestmark = pytest.mark.timeout(1800)
PROGRAM = Path(__file__).parent / "many_runs.py"


@pytest.fixture(autouse=True)
def all_is_well(cluster: Machines) -> Iterator[None]:
    """After each test the cluster is as healthy as before, and has no job."""
    yield
    wait_for(
        lambda: status(cluster)["queue"] == [] and cluster.cluster("status").status == 0,
        "the cluster is healthy, and has no job",
    )


def status(cluster: Machines) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(cluster.cluster("status", "--json").stdout)
    return facts


def nodes(cluster: Machines) -> set[str]:
    """Where jobs are; an empty text stands for the queue."""
    return {job["node"] for job in status(cluster)["queue"]}


def many_runs(
    cluster: Machines, user: str, count: int, seconds: int, start: float = 0.0
) -> list[dict[str, Any]]:
    """Have a user make many runs at once, at a time (seconds since 1970) or right away."""
    cluster.check("copy", user, str(PROGRAM), "many_runs.py")
    words = ("python3", "-W", "ignore", "many_runs.py", str(count), str(seconds), str(start))
    said = cluster.check("run", user, *words)
    found: list[dict[str, Any]] = json.loads(said.splitlines()[-1])
    return found


def in_background(action: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Do something meanwhile, in a thread that a test which fails does not wait for."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(action(*arguments))
        except BaseException as error:  # it is raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def jobs_of(cluster: Machines, user: str) -> int:
    """How many jobs of a user Slurm has ever started."""
    query = ["sacct", "-X", "-n", "-P", f"--user={user}", "--format=JobID", "--starttime=now-1days"]
    return len(cluster.check("run", user, *query).split())


def add_users(cluster: Machines, folder: Path, names: list[str]) -> str:
    """Have accounts added by a class list; what is said of it."""
    file = folder / "class.csv"
    file.write_text("name\n" + "\n".join(names) + "\n")
    return cluster.check("user", "import", str(file))


def test_every_worker_measures(cluster: Machines) -> None:
    for _ in range(2):
        said = cluster.check("test")
        for name in ("w1", "w2", "test_user1", "test_user2"):
            assert name in said


def test_every_machine_has_the_heads_images(cluster: Machines) -> None:
    tags = ("cfiddle-cluster:latest", "cfiddle-sandbox:latest")
    for tag in tags:
        inspect = ("docker", "image", "inspect", "--format={{.Id}}", tag)
        assert len({cluster.on(name, *inspect) for name in ("head", "w1", "w2")}) == 1
    assert "differs" not in cluster.check("images", "list")


def test_a_whole_class_gets_accounts_at_once(cluster: Machines, tmp_path: Path) -> None:
    names = [f"student{number:03}" for number in range(215)]
    assert "215 added" in add_users(cluster, tmp_path, names)
    assert "0 added, 215 existed already" in add_users(cluster, tmp_path, names)
    listed = cluster.check("user", "list")
    assert all(name in listed for name in names)
    assert "(student214)" in cluster.check("run", "student214", "id")
    assert "examples" in cluster.check("run", "student000", "ls")
    many = many_runs(cluster, "student007", 3, 0)
    assert [run["error"] for run in many] == [None] * 3
    for _ in range(2):
        cluster.cluster("user", "remove", "student214")
    assert "student214" not in cluster.check("user", "list")


def test_a_hundred_runs_of_ten_users_are_all_right_and_fair(
    cluster: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = [f"fair{number}" for number in range(10)]
    add_users(cluster, tmp_path, users)
    # Ten compilers have to finish first.
    began = time.time() + 30
    with ThreadPoolExecutor(len(users)) as pool:
        found = pool.map(lambda user: many_runs(cluster, user, 10, 0, began), users)
        runs = dict(zip(users, found, strict=True))
    every = [run for found in runs.values() for run in found]
    assert [run["error"] for run in every] == [None] * 100
    ends = {user: sorted(run["ended"] for run in found) for user, found in runs.items()}
    first, tenth = max(each[0] for each in ends.values()), min(each[9] for each in ends.values())
    with capsys.disabled():
        print(
            f"\n100 runs, 10 users, 2 workers: {max(run['ended'] for run in every) - began:.1f} s;"
            f" last user's first result after {first - began:.1f} s,"
            f" first user's tenth after {tenth - began:.1f} s;"
            f" runs on w1: {sum(run['node'] == 'w1' for run in every)}"
        )
    assert first < tenth
    assert all(jobs_of(cluster, user) == 10 for user in users)


@pytest.mark.parametrize("service", ["controller", "accounting", "database", "sandboxd", "worker"])
def test_a_service_is_restarted_under_twenty_runs(cluster: Machines, service: str) -> None:
    user = f"restart-{service}"
    cluster.check("user", "add", user)
    runs = in_background(many_runs, cluster, user, 20, 1)
    wait_for(lambda: len(status(cluster)["queue"]) >= 10, "many runs are under way")
    cluster.on("head", "docker", "service", "update", "--quiet", "--force", f"cfiddle_{service}")
    assert [run["error"] for run in runs.result()] == [None] * 20
    assert jobs_of(cluster, user) == 20


def test_a_worker_comes_and_goes(cluster: Machines) -> None:
    address = cluster.start("w3")
    for _ in range(2):
        assert "takes jobs" in cluster.check("worker", "add", address)
    assert address in cluster.file.read_text()
    assert "w3" in cluster.check("test")
    for _ in range(2):
        cluster.check("worker", "drain", "w3")
    assert "w3 stays out of service" in cluster.check("test")
    for _ in range(2):
        cluster.check("worker", "resume", "w3")
    runs = in_background(many_runs, cluster, "jovyan", 6, 3)
    wait_for(lambda: nodes(cluster) >= {"w1", "w2", "w3"}, "all three workers run jobs")
    cluster.check("worker", "remove", address)
    again = cluster.cluster("worker", "remove", address)
    assert (again.status, f"There is no worker '{address}'" in again.stderr) == (1, True)
    assert [run["error"] for run in runs.result()] == [None] * 6
    assert address not in cluster.file.read_text()
    assert [worker["name"] for worker in status(cluster)["workers"]] == ["w1", "w2"]
    assert cluster.on("w3", "docker", "ps", "--quiet") == ""


def test_an_update_lets_running_jobs_finish(cluster: Machines) -> None:
    runs = in_background(many_runs, cluster, "jovyan", 8, 10)
    wait_for(lambda: nodes(cluster) - {""}, "a job runs")
    text = cluster.file.read_text()
    cluster.file.write_text(f"{text}\n[sandbox]\nwall_seconds = 300\n")
    for _ in range(2):
        assert "up to date" in cluster.check("update", timeout=1200)
    assert [run["error"] for run in runs.result()] == [None] * 8
    sandboxd = (
        "docker",
        "ps",
        "--quiet",
        "--filter=label=com.docker.swarm.service.name=cfiddle_sandboxd",
    )
    policy = cluster.on("w1", "docker", "exec", cluster.on("w1", *sandboxd),
                        "cat", "/etc/cfiddle-slurm/sandbox.toml")  # fmt: skip
    assert "wall_seconds = 300.0" in policy


def test_a_worker_loses_its_power_in_the_middle_of_a_job(cluster: Machines) -> None:
    runs = in_background(many_runs, cluster, "jovyan", 2, 15)
    wait_for(lambda: nodes(cluster) == {"w1", "w2"}, "both workers run jobs")
    cluster.kill("w2")
    found = runs.result()
    assert [run["error"] for run in found] == [None, None]
    assert {run["node"] for run in found} == {"w1"}, "the lost run is retried elsewhere"
    assert [w["usable"] for w in status(cluster)["workers"]] == [True, False]
    cluster.boot("w2")
    wait_for(
        lambda: all(worker["usable"] for worker in status(cluster)["workers"]),
        "the machine is a worker again",
    )
    assert "w2" in cluster.check("test")


def test_what_is_not_ours_is_refused(cluster: Machines) -> None:
    script = "printf '#!/bin/sh\\nid\\n' >x.sh && sbatch --job-name=cfiddle-0123456789abcdef x.sh"
    for command in ("sbatch --wrap=id", script, "salloc true"):
        done = cluster.cluster("run", "jovyan", "sh", "-c", command)
        assert done.status != 0
        assert "cfiddle_slurm" in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('head = "', 'head = "root@'), "must be the name or address"),
        (('ssh_user = "root"', 'ssh_user = "wrong"'), "cannot be reached by ssh as wrong"),
        (("workers = [", 'workers = ["{w1}", '), "is listed twice"),
        (("workers = [", 'workers = ["{head}", '), "is also listed as a worker"),
        (("workers = [", "workers = "), "is not valid TOML"),
        (("jupyter_port = 8888", "jupyter_port = 22"), "port 22"),
        (("registry = true", "registri = true"), "Did you mean registry?"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_bad_input_gets_one_sentence_and_changes_nothing(
    cluster: Machines, change: tuple[str, str], words: str
) -> None:
    good = cluster.file.read_text()
    addresses = {name: cluster.address(name) for name in ("head", "w1")}
    old, new = change
    assert old in good
    try:
        cluster.file.write_text(good.replace(old, new.format(**addresses), 1))
        done = cluster.cluster("up", "--no-test")
    finally:
        cluster.file.write_text(good)
    assert done.status == 1
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr


def test_a_worker_that_is_nowhere_is_named_and_the_rest_goes_on(cluster: Machines) -> None:
    good = cluster.file.read_text()
    # Of the machines' own network, and nobody's.
    nobody = cluster.address("head").rpartition(".")[0] + ".250"
    try:
        cluster.file.write_text(good.replace("workers = [", f'workers = ["{nobody}", ', 1))
        done = cluster.cluster("up", "--no-test")
    finally:
        cluster.file.write_text(good)
    assert done.status == 1
    error = done.stderr.strip().splitlines()
    assert error[0].startswith(f"Error: {nobody} cannot be reached by ssh")
    assert error[1:] == ["The rest is up."]

"""Runs on the real cluster, looked at from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.services import stack
from tests.patience import wait_for

from .conftest import HEAD, SECONDS, docker, in_service, python_result, start_python

PRELUDE = """
import json, sys, threading, time
import cfiddle, cfiddle_slurm
from cfiddle import arg_map, build, code, run
from cfiddle_slurm import errors
cfiddle_slurm.configure(**{options!r})
exe = build(code('extern "C" int f(int n)\\n{{ {body} return n; }}'))
"""
PATIENCE = 30.0
SPIN = "for (volatile int i = 0; n; i++);"


def program(tail: str, *, body: str = "", **options: Any) -> str:
    return PRELUDE.format(options=options, body=body) + tail


ERROR = """
began = time.monotonic()
try:
    run(exe, "f", arg_map(n=1))
except cfiddle.CFiddleException as error:
    print(json.dumps([type(error).__name__, str(error), time.monotonic() - began]))
"""


def test_ten_runs_in_ten_containers(python_as: Callable[[str, str], Any]) -> None:
    found = python_as(
        "jovyan",
        program("""
reports = []
for number in range(10):
    assert run(exe, "f", arg_map(n=number))[0].return_value == number
    reports.append(cfiddle_slurm.last_report())
jobs = cfiddle_slurm.Settings().jobs_directory
for thread in threading.enumerate():
    if thread.name == "cfiddle-removal":
        thread.join()
left = [path.name for path in jobs.iterdir() if not (path / "failed.txt").exists()]
print(json.dumps([[r.container for r in reports], [r.job_id for r in reports], left]))
"""),
    )
    containers, jobs, left = found
    assert len(set(containers)) == 10
    assert len(set(jobs)) == 10
    assert left == []


def test_two_users_at_once_each_get_their_own() -> None:
    tail = """
values = [run(exe, "f", arg_map(n=number))[0].return_value for number in range({0}, {0} + 3)]
report = cfiddle_slurm.last_report()
print(json.dumps([values, report.container, report.job_id]))
"""
    programs = [
        start_python("test_user1", program(tail.format(100))),
        start_python("test_user2", program(tail.format(200))),
    ]
    (first, container1, job1), (second, container2, job2) = map(python_result, programs)
    assert (first, second) == ([100, 101, 102], [200, 201, 202])
    assert container1 != container2
    owners = in_service(
        "controller",
        "sacct",
        "-X",
        "-n",
        "-P",
        "--allusers",
        f"--jobs={job1},{job2}",
        "--format=JobID,User",
    )
    assert sorted(owners.split()) == sorted([f"{job1}|test_user1", f"{job2}|test_user2"])


def test_a_student_cannot_use_anothers_job_or_the_engine() -> None:
    found = python_result(
        start_python(
            "test_user2",
            """
import json, os
def listable(path):
    try:
        return os.listdir(path)
    except OSError as error:
        return error.strerror
print(json.dumps([listable("/home/test_user1"), os.path.exists("/var/run/docker.sock"),
                  os.path.exists("/etc/munge/munge.key"), listable("/run/secrets"),
                  open("/proc/self/status").read().split("Uid:")[1].split()[0]]))
""",
        )
    )
    assert found[0] == "Permission denied"
    assert found[1:3] == [False, False]
    assert found[3] in (["cfiddle_jupyter_token"], "Permission denied")
    assert found[4] == "1002"


NOWHERE = "node.labels.cfiddle.nowhere==true"


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """Without a service, by asking for a machine that does not exist."""
    name = f"{stack.NAME}_{service}"
    label = f"--filter=label=com.docker.swarm.service.name={name}"
    try:
        docker("service", "update", "--detach", f"--constraint-add={NOWHERE}", name)
        wait_for(lambda: docker("ps", "--quiet", label) == "", f"{service} is gone", PATIENCE)
        yield
    finally:
        docker("service", "update", "--detach", f"--constraint-rm={NOWHERE}", name)
        wait_for(lambda: docker("ps", "--quiet", label) != "", f"{service} is back", PATIENCE)
        stack.wait_until_healthy(HEAD, SECONDS, lambda _: None)


def test_without_sandboxd_a_run_says_so(python_as: Callable[[str, str], Any]) -> None:
    with stopped("sandboxd"):
        name, text, seconds = python_as("jovyan", program(ERROR))
    assert name == "SandboxUnavailable", text
    assert "sandbox service" in text
    assert seconds < 20


def test_without_slurmctld_a_run_says_so(python_as: Callable[[str, str], Any]) -> None:
    with stopped("controller"):
        name, text, seconds = python_as("jovyan", program(ERROR))
    assert name == "SchedulerUnavailable", text
    assert seconds < 60


def test_a_job_that_somebody_else_cancels(python_as: Callable[[str, str], Any]) -> None:
    running = start_python("jovyan", program(ERROR, body=SPIN, time_limit=100))
    sandboxes = ("ps", "--quiet", f"--filter=label={stack.SANDBOX_LABEL}")
    wait_for(lambda: docker(*sandboxes) != "", "the experiment runs", PATIENCE)
    in_service("controller", "scancel", "--user=jovyan")
    name, text, _ = python_result(running)
    assert name == "Cancelled", text
    wait_for(lambda: docker(*sandboxes, "--all") == "", "the sandbox is removed", PATIENCE)
    wait_for(
        lambda: in_service("controller", "squeue", "--noheader") == "", "no job is left", PATIENCE
    )


def test_the_controller_asks_no_name_server(python_as: Callable[[str, str], Any]) -> None:
    assert python_as("jovyan", program('print(run(exe, "f", arg_map(n=3))[0].return_value)')) == 3
    logs = ["docker", "logs", stack.container_on(HEAD, "controller")]
    said = process.run(logs, timeout=SECONDS).stderr
    assert "_slurm_rpc_submit_batch_job" in said
    assert "Lookup failed" not in said


@pytest.mark.parametrize("image", ["cfiddle-sandbox", "cfiddle-cluster", "cfiddle-user"])
def test_no_secret_is_in_an_image(image: str) -> None:
    listing = docker(
        "run", "--rm", "--network=none", "--entrypoint=sh", f"{image}:latest", "-c",
        "find / -xdev \\( -name munge.key -o -name '*.pem' -path '/build/*'"
        " -o -path '/run/secrets/*' -o -path /etc/passwd \\)",
    )  # fmt: skip
    assert listing == "/etc/passwd"  # which is no secret, and shows that the search finds files


def test_the_sandbox_image_is_small_and_has_no_compiler() -> None:
    size = int(docker("image", "inspect", "--format={{.Size}}", "cfiddle-sandbox:latest"))
    assert size < 250_000_000
    found = docker(
        "run", "--rm", "--network=none", "--entrypoint=sh", "cfiddle-sandbox:latest", "-c",
        "for each in sh gcc cc g++ c++ clang make pip; do command -v $each; done;"
        " find / -xdev -type f \\( -perm /6000 -o -path /etc/passwd \\); true",
    )  # fmt: skip
    # The first and the last are controls: what is there is found.
    assert found.split() == ["/usr/bin/sh", "/etc/passwd"]

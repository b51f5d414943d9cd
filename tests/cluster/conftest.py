"""Tests of the one-machine cluster, which must be up. They run on the machine that carries it."""

import json
import subprocess
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.services import stack

SECONDS = 120.0
PORT = 8888
HEAD = Machine()


def docker(*arguments: str) -> str:
    """What a docker command prints."""
    return process.check(["docker", *arguments], timeout=SECONDS).strip()


def in_service(service: str, *command: str) -> str:
    """What a command prints, as root in a service's container."""
    return docker("exec", stack.container_on(HEAD, service), *command)


def start_python(user: str, program: str) -> "subprocess.Popen[bytes]":
    """Start a Python program on the user node."""
    return process.start(
        user_node.exec_arguments(HEAD, user, ["python3", "-c", textwrap.dedent(program)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def python_result(program: "subprocess.Popen[bytes]") -> Any:
    """The JSON in the last line that a program printed."""
    out, err = program.communicate(timeout=SECONDS)
    assert program.returncode == 0, err.decode()
    return json.loads(out.decode().strip().splitlines()[-1])


@pytest.fixture
def python_as() -> Callable[[str, str], Any]:
    """``python_as(user, program)``: the JSON that a program prints last on the user node."""
    return lambda user, program: python_result(start_python(user, program))


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """The cluster is up and healthy: without it, nothing here means anything."""
    stack.wait_until_healthy(HEAD, SECONDS, lambda _: None)


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    """After each test: no sandbox, no job, no registration."""
    yield
    stack.wait_until_healthy(HEAD, SECONDS, lambda _: None)
    assert docker("ps", "--all", "--quiet", f"--filter=label={stack.SANDBOX_LABEL}") == ""
    assert in_service("controller", "squeue", "--noheader") == ""
    assert in_service("worker", "ls", "/run/cfiddle-slurm/jobs") == ""
    assert "cfiddle-sandbox" not in docker("top", stack.container_on(HEAD, "worker"))

"""The container engine, asked through a stand-in for the Docker SDK's client."""

import socket
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cfiddle_slurm.sandbox.daemon.engine import (
    Container,
    Engine,
    EngineAddress,
    EngineError,
    parse_usage,
)
from cfiddle_slurm.sandbox.daemon.verdict import Usage

ID = "0123456789ab" + "0" * 52


def refusal(status: int, words: str = "no") -> docker.errors.APIError:
    kind = docker.errors.NotFound if status == 404 else docker.errors.APIError
    return kind("it said no", SimpleNamespace(status_code=status), words)


class Client:
    """What the engine would do: each call gives its answer, or raises it."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            self.calls.append(name)
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def engine_with(**answers: Any) -> tuple[Engine, Client]:
    engine, client = Engine(EngineAddress()), Client(**answers)
    engine._client = client
    return engine, client


def container(**answers: Any) -> tuple[Container, Client]:
    engine, client = engine_with(**answers)
    mine, theirs = socket.socketpair()
    theirs.close()
    return Container(engine, ID, mine), client


def test_one_that_is_gone_is_removed_already() -> None:
    one, client = container(remove_container=refusal(404))
    one.remove()
    assert client.calls == ["remove_container"]


@pytest.mark.parametrize("end", [None, refusal(404)])
def test_the_removal_by_somebody_else_is_waited_for(end: Any) -> None:
    one, client = container(remove_container=refusal(409), wait=end)
    one.remove()
    assert client.calls == ["remove_container", "wait"]


@pytest.mark.parametrize("trouble", [refusal(500, "disk full"), ConnectionError("disk full")])
def test_one_that_may_still_be_there_is_told(trouble: Exception) -> None:
    one, _ = container(remove_container=trouble)
    with pytest.raises(EngineError, match="cannot remove the sandbox: disk full"):
        one.remove()


def test_what_the_engine_does_not_say_is_not_known() -> None:
    one, _ = container(stats=refusal(500), inspect_container=ValueError("no JSON"))
    assert (one.usage(), one.state()) == (Usage(), None)


def test_how_it_ended() -> None:
    facts = {"Image": "sha256:0", "State": {"OOMKilled": True, "ExitCode": 137, "Running": False}}
    one, client = container(inspect_container=facts, wait=TimeoutError())
    state = one.state_at_end()
    assert state is not None
    assert (state.oom_killed, state.exit_code, state.running) == (True, 137, False)
    assert client.calls == ["wait", "inspect_container"]


def test_it_is_attached_and_let_go() -> None:
    mine, theirs = socket.socketpair()
    engine, _ = engine_with(create_container_from_config={"Id": ID}, attach_socket=mine)
    one = engine.create({}, "ab")
    one.socket.sendall(b"in")
    assert theirs.recv(9) == b"in"
    one.remove()
    assert theirs.recv(9) == b"", "its stdin ends with it"
    theirs.close()


def test_one_that_cannot_be_attached_is_not_left_behind() -> None:
    engine, client = engine_with(
        create_container_from_config={"Id": ID}, attach_socket=refusal(500, "no way")
    )
    with pytest.raises(EngineError, match="attach to the sandbox: no way"):
        engine.create({}, "ab")
    assert client.calls == ["create_container_from_config", "attach_socket", "remove_container"]


def test_of_another_version_the_engine_is_asked_again() -> None:
    engine, _ = engine_with(inspect_image=refusal(400, "client version 1.2 is too new"))
    engine.address.api_version = engine.address.engine_version = "1.2"
    with pytest.raises(EngineError):
        engine.check("a")
    assert engine.address.api_version is None


def test_usage_of_both_cgroup_versions() -> None:
    v1 = {"memory_stats": {"usage": 5, "max_usage": 9, "failcnt": 3}, "pids_stats": {"current": 2}}
    v2 = {"memory_stats": {"usage": 5, "failcnt": 1}, "pids_stats": {"current": 2, "limit": 9}}
    assert parse_usage(v1) == Usage(9, None, 2)
    assert parse_usage(v2) == Usage(None, 1, 2)
    assert parse_usage({"memory_stats": {}, "pids_stats": {}}) == Usage()
    assert parse_usage({}) == Usage()

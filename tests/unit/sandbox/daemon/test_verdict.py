"""How endings are read."""

import json
from typing import Any

import pytest

from cfiddle_slurm.sandbox.daemon.verdict import (
    End,
    Evidence,
    State,
    Usage,
    is_machines_fault,
    judge,
)
from cfiddle_slurm.sandbox.policy import GIB, Limits, Policy
from cfiddle_slurm.sandbox.protocol import ProtocolError
from cfiddle_slurm.sandbox.status import MAX_GUEST_STATUS, parse_guest_status

POLICY = Policy()
LIMITS = Limits("a:1", GIB, 60, 60)


def guest(kind: str, signal: str | None = None, code: int | None = None) -> Any:
    return {"outcome": {"kind": kind, "message": "said", "signal": signal, "code": code}}


def kind_of(
    end: End,
    said: Any = None,
    *,
    usage: Usage | None = None,
    state: State | None = None,
    at_limit: bool = False,
) -> str:
    evidence = Evidence(end, said, usage or Usage(), state, at_limit, "a detail")
    verdict = judge(evidence, POLICY, LIMITS)
    assert set(verdict) == {"kind", "message", "signal", "code"}
    return str(verdict["kind"])


DONE = End.GUEST_DONE
KILLED = guest("signal", "SIGKILL")


@pytest.mark.parametrize(
    ("kind", "said", "usage", "state"),
    [
        ("ok", guest("ok"), Usage(), None),
        ("ok", guest("ok"), Usage(GIB, 3, 2), State(oom_killed=True)),
        ("signal", guest("signal", "SIGSEGV"), Usage(), State()),
        ("signal", KILLED, Usage(GIB // 2), State()),
        ("memory", KILLED, Usage(GIB), State()),
        ("memory", KILLED, Usage(), State(oom_killed=True)),
        ("memory", KILLED, Usage(None, 2), State()),
        ("memory", guest("exited", code=1), Usage(), State(oom_killed=True)),
        ("exited", guest("exited", code=1), Usage(GIB), State()),
        ("scratch", guest("scratch"), Usage(GIB), State(oom_killed=True)),
        ("cpu_time", guest("cpu_time", "SIGXCPU"), Usage(GIB), None),
        ("version_mismatch", guest("version_mismatch"), Usage(), None),
    ],
)
def test_the_guests_word_and_what_the_kernel_says(
    kind: str, said: Any, usage: Usage, state: State | None
) -> None:
    assert kind_of(DONE, said, usage=usage, state=state) == kind


def test_signal_and_code_are_kept() -> None:
    verdict = judge(Evidence(DONE, guest("signal", "SIGSEGV"), Usage(), None), POLICY, LIMITS)
    assert (verdict["signal"], verdict["message"]) == ("SIGSEGV", "said")


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (End.WALL_TIME, "wall_time"),
        (End.PROCESSES, "processes"),
        (End.OUTPUT_LIMIT, "output"),
        (End.RESULT_LIMIT, "result_size"),
        (End.BUNDLE_LIMIT, "refused"),
        (End.BAD_CALLER, "refused"),
        (End.BAD_GUEST, "guest_error"),
        (End.CALLER_SILENT, "unavailable"),
        (End.CALLER_LEFT, "cancelled"),
        (End.STOPPED, "cancelled"),
    ],
)
def test_what_sandboxd_ended_itself(end: End, kind: str) -> None:
    assert kind_of(end) == kind
    assert kind_of(end, guest("ok")) == kind, "the guest's word does not count any more"


def test_wall_time_at_the_process_limit_is_the_process_limit() -> None:
    assert kind_of(End.WALL_TIME, at_limit=True) == "processes"


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("unavailable", None),
        ("memory", State(oom_killed=True, exit_code=137)),
        ("unavailable", State(exit_code=1)),
        ("guest_error", State(exit_code=137)),
        ("unavailable", State(exit_code=0, running=True)),
    ],
)
def test_a_container_that_ended_without_a_word(kind: str, state: State | None) -> None:
    assert kind_of(End.STREAM_ENDED, state=state) == kind


def test_messages_are_bounded() -> None:
    said = guest("exited")
    said["outcome"]["message"] = "x" * 10_000
    verdict = judge(Evidence(DONE, said, Usage(), State()), POLICY, LIMITS)
    assert len(verdict["message"]) <= 2000


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"[]",
        b'{"outcome": "ok"}',
        b'{"outcome": {"kind": "wall_time"}}',
        b'{"outcome": {"kind": []}}',
        b'{"outcome": {"kind": "ok", "message": 1}}',
        b'{"outcome": {"kind": "signal", "signal": 9}}',
        b'{"outcome": {"kind": "exited", "code": "1"}}',
        b'{"outcome": {"kind": "ok"}, "x": "' + b"x" * MAX_GUEST_STATUS + b'"}',
    ],
)
def test_a_guest_that_lies_about_its_form(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_guest_status(payload)


def test_a_good_guest_status() -> None:
    assert parse_guest_status(json.dumps(guest("ok")).encode())["outcome"]["kind"] == "ok"


@pytest.mark.parametrize(
    ("end", "state", "machines"),
    [
        (End.STREAM_ENDED, None, True),
        (End.STREAM_ENDED, State(running=True), True),
        (End.STREAM_ENDED, State(exit_code=1), True),  # setpriv or the guest could not start
        (End.STREAM_ENDED, State(exit_code=137), False),  # the experiment may have done that
        (End.STREAM_ENDED, State(exit_code=1, oom_killed=True), False),
        (End.BAD_GUEST, None, False),
        (End.CALLER_SILENT, None, False),
        (DONE, None, False),
    ],
)
def test_whose_fault_an_end_is(end: End, state: State | None, machines: bool) -> None:
    assert is_machines_fault(Evidence(end, None, Usage(), state)) is machines

"""Decides what a run's ending means: pure functions of what sandboxd and the guest saw.

The guest's word counts for what only it can see: signals, exit statuses, its own CPU limit. What
sandboxd itself saw (clocks, floods, the kernel's out-of-memory killer) takes precedence.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.protocol import (
    MAX_JSON,
    OutcomeKind,
    ProtocolError,
    parse_json,
)

MAX_GUEST_STATUS = MAX_JSON // 4
"""The guest's status becomes a part of sandboxd's, which must fit into one JSON
frame, also when every character of it has to be escaped."""
_MAX_ESCAPED = 3 * MAX_GUEST_STATUS
_LONGEST_SIGNAL = 40
_NEAR_LIMIT_BYTES = 1 << 20
_LONGEST_MESSAGE = 2000
_GUEST_KINDS = frozenset(
    (
        OutcomeKind.OK,
        OutcomeKind.SIGNAL,
        OutcomeKind.EXITED,
        OutcomeKind.CPU_TIME,
        OutcomeKind.SCRATCH,
        OutcomeKind.RESULT_SIZE,
        OutcomeKind.VERSION_MISMATCH,
        OutcomeKind.GUEST_ERROR,
    )
)
# Endings that running out of memory can have caused: the experiment's process, or one it started.
_MAYBE_MEMORY = frozenset((OutcomeKind.SIGNAL, OutcomeKind.EXITED, OutcomeKind.GUEST_ERROR))


class End(Enum):
    """Why sandboxd stopped passing bytes between a caller and a container."""

    GUEST_DONE = "the guest gave its status"
    STREAM_ENDED = "the container ended"
    CALLER_LEFT = "the caller hung up"
    BAD_CALLER = "the caller broke the protocol"
    BAD_GUEST = "the guest broke the protocol"
    BUNDLE_LIMIT = "the bundle is too large"
    CALLER_SILENT = "the caller stopped sending or reading"
    WALL_TIME = "wall time"
    PROCESSES = "processes"
    OUTPUT_LIMIT = "output"
    RESULT_LIMIT = "results"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Usage:
    """What the engine says about a running container. Sizes in bytes; None is not known.

    ``cpu_seconds``: of all its processes, those that nobody waited for included.
    ``memory_events``: how often the kernel found no memory to give (cgroup v2 only: v1 counts
    harmless reclaim in the same place).
    """

    memory_peak: int | None = None
    memory_events: int | None = None
    processes: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class State:
    """What the engine says about a container; of a running one, ``exit_code`` says nothing."""

    image_id: str | None = None
    oom_killed: bool = False
    exit_code: int | None = None
    running: bool = False


@dataclass(frozen=True)
class Evidence:
    """All that is known about a run's end.

    ``detail``: one sentence for the ends that have no fixed one. ``state`` is None when the engine
    does not answer any more.
    """

    end: End
    guest: dict[str, Any] | None
    usage: Usage
    state: State | None
    at_process_limit: bool = False
    detail: str = ""


def parse_guest_status(payload: bytes) -> dict[str, Any]:
    """The guest's status, checked as far as sandboxd and the notebook rely on it.

    Raises:
        ProtocolError: it is not one.
    """
    if len(payload) > MAX_GUEST_STATUS:
        raise ProtocolError("The guest's status is too long.")
    status = parse_json(payload)
    _check_length(status)
    outcome = status.get("outcome")
    # Compared, not looked up: the value may be of a type that cannot be hashed.
    if not isinstance(outcome, dict) or not any(
        k.value == outcome.get("kind") for k in _GUEST_KINDS
    ):
        raise ProtocolError("The guest's status names no outcome that a guest may name.")
    for key, kinds in (("message", str), ("signal", str), ("code", int)):
        if not isinstance(outcome.get(key), (kinds, type(None))):
            raise ProtocolError(f"The guest's status has a wrong {key}.")
    # What stands in sandboxd's own part of its status, too, is short.
    if len(outcome.get("signal") or "") > _LONGEST_SIGNAL or abs(outcome.get("code") or 0) >> 31:
        raise ProtocolError("The guest's status has a signal or a code that is none.")
    return status


def _check_length(status: dict[str, Any]) -> None:
    """Refuse what would not fit as it is passed on, where one byte may become six."""
    try:
        length = len(json.dumps(status))
    except RecursionError:
        raise ProtocolError("The guest's status is nested too deeply.") from None
    if length > _MAX_ESCAPED:
        raise ProtocolError("The guest's status is too long.")


def judge(evidence: Evidence, policy: Policy, limits: Limits) -> dict[str, Any]:
    """The ``outcome`` of the final status."""
    if evidence.end is End.GUEST_DONE and evidence.guest is not None:
        return _judge_guest(evidence, evidence.guest["outcome"], limits)
    if evidence.end is End.STREAM_ENDED:
        return _judge_ended(evidence, limits)
    kind, message = _fixed(evidence, policy, limits)
    return outcome(kind, message)


def is_machines_fault(evidence: Evidence) -> bool:
    """Whether the next run would probably end like this one, whatever it does.

    Only a container that ended by itself without a word: what a signal ended may have been ended by
    its experiment, or by the kernel for its experiment's sake.
    """
    state = evidence.state
    if evidence.end is not End.STREAM_ENDED:
        return False
    if state is None or state.running:
        return True
    return (state.exit_code or 0) < 128 and not state.oom_killed


def outcome(
    kind: OutcomeKind, message: str, signal: str | None = None, code: int | None = None
) -> dict[str, Any]:
    """An outcome in the form of the final status."""
    message = message[:_LONGEST_MESSAGE]
    return {"kind": kind.value, "message": message, "signal": signal, "code": code}


def _judge_guest(evidence: Evidence, said: dict[str, Any], limits: Limits) -> dict[str, Any]:
    kind = OutcomeKind(said["kind"])
    signal, code = said.get("signal"), said.get("code")
    if kind in _MAYBE_MEMORY and _ran_out_of_memory(evidence, limits, killed=signal == "SIGKILL"):
        return _memory(limits)
    return outcome(kind, said.get("message") or "", signal, code)


def _judge_ended(evidence: Evidence, limits: Limits) -> dict[str, Any]:
    if evidence.state is None or evidence.state.running:
        return outcome(
            OutcomeKind.UNAVAILABLE,
            "The connection to the node's container engine broke off during the run.",
        )
    if _ran_out_of_memory(evidence, limits, killed=evidence.state.exit_code == 128 + 9):
        return _memory(limits)
    return outcome(
        # Another machine may do better; what its experiment ended would end there, too.
        OutcomeKind.UNAVAILABLE if is_machines_fault(evidence) else OutcomeKind.GUEST_ERROR,
        f"The sandbox ended without a word (exit status {evidence.state.exit_code}).",
    )


def _ran_out_of_memory(evidence: Evidence, limits: Limits, *, killed: bool) -> bool:
    usage, state = evidence.usage, evidence.state
    if (state is not None and state.oom_killed) or usage.memory_events:
        return True
    # The engine may not have heard of it: a SIGKILL with the peak at the limit tells the same.
    peak = usage.memory_peak or 0
    return killed and peak >= limits.memory - _NEAR_LIMIT_BYTES


def _memory(limits: Limits) -> dict[str, Any]:
    return outcome(
        OutcomeKind.MEMORY,
        f"The experiment used up its {_megabytes(limits.memory)} of memory (files in its working"
        " directory and /tmp count).",
    )


def _fixed(evidence: Evidence, policy: Policy, limits: Limits) -> tuple[OutcomeKind, str]:
    end = evidence.end
    if end is End.PROCESSES or (end is End.WALL_TIME and evidence.at_process_limit):
        return (
            OutcomeKind.PROCESSES,
            f"The experiment reached its limit of {policy.processes} processes and threads.",
        )
    if end is End.WALL_TIME:
        return (
            OutcomeKind.WALL_TIME,
            f"The experiment ran longer than its {limits.wall_seconds:g} s.",
        )
    if end is End.OUTPUT_LIMIT:
        return (
            OutcomeKind.OUTPUT,
            f"The experiment printed more than {_megabytes(policy.output_bytes)}.",
        )
    if end is End.RESULT_LIMIT:
        return (
            OutcomeKind.RESULT_SIZE,
            f"Results and output files take more than {_megabytes(policy.result_bytes)}.",
        )
    if end is End.BUNDLE_LIMIT:
        return (
            OutcomeKind.REFUSED,
            f"The inputs take more than the cluster's {_megabytes(policy.bundle_bytes)}.",
        )
    if end is End.CALLER_SILENT:
        return (
            OutcomeKind.UNAVAILABLE,
            f"The job neither sent nor received anything for {policy.progress_seconds:g} s.",
        )
    if end is End.BAD_CALLER:
        return OutcomeKind.REFUSED, evidence.detail
    if end is End.BAD_GUEST:
        return OutcomeKind.GUEST_ERROR, evidence.detail
    return OutcomeKind.CANCELLED, evidence.detail or "The run was cancelled."


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):g} MiB"

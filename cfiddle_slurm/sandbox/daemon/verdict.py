"""Decides what a run's ending means: pure functions of what sandboxd and the guest saw.

The guest's word counts for what only it can see: signals, exit statuses, its own CPU limit. What
sandboxd itself saw (clocks, floods, the kernel's out-of-memory killer) takes precedence.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.sandbox.status import outcome

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest, Outcome

_K = OutcomeKind
_NEAR_LIMIT_BYTES = 1 << 20
# Endings that running out of memory can have caused: the experiment's process, or one it started.
MAYBE_MEMORY = frozenset((_K.SIGNAL, _K.EXITED, _K.GUEST_ERROR))


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
    guest: "Guest | None"
    usage: Usage
    state: State | None
    at_process_limit: bool = False
    detail: str = ""


def judge(evidence: Evidence, policy: Policy, limits: Limits) -> "Outcome":
    """The ``outcome`` of the final status."""
    if evidence.end is End.GUEST_DONE and evidence.guest is not None:
        return _judge_guest(evidence, evidence.guest["outcome"], limits)
    if evidence.end is End.STREAM_ENDED:
        return _judge_ended(evidence, limits)
    return outcome(*_fixed(evidence, policy, limits))


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


def _judge_guest(evidence: Evidence, said: "Outcome", limits: Limits) -> "Outcome":
    kind = OutcomeKind(said["kind"])
    signal, code = said.get("signal"), said.get("code")
    if kind in MAYBE_MEMORY and _ran_out_of_memory(evidence, limits, killed=signal == "SIGKILL"):
        return _memory(limits)
    return outcome(kind, said.get("message") or "", signal, code)


def _judge_ended(evidence: Evidence, limits: Limits) -> "Outcome":
    if evidence.state is None or evidence.state.running:
        return outcome(
            _K.UNAVAILABLE,
            "The connection to the node's container engine broke off during the run.",
        )
    if _ran_out_of_memory(evidence, limits, killed=evidence.state.exit_code == 128 + 9):
        return _memory(limits)
    return outcome(
        # Another machine may do better; what its experiment ended would end there, too.
        _K.UNAVAILABLE if is_machines_fault(evidence) else _K.GUEST_ERROR,
        f"The sandbox ended without a word (exit status {evidence.state.exit_code}).",
    )


def _ran_out_of_memory(evidence: Evidence, limits: Limits, *, killed: bool) -> bool:
    usage, state = evidence.usage, evidence.state
    if (state is not None and state.oom_killed) or usage.memory_events:
        return True
    # The engine may not have heard of it: a SIGKILL with the peak at the limit tells the same.
    peak = usage.memory_peak or 0
    return killed and peak >= limits.memory - _NEAR_LIMIT_BYTES


def _memory(limits: Limits) -> "Outcome":
    return outcome(
        _K.MEMORY,
        f"The experiment used up its {_megabytes(limits.memory)} of memory (files in its working"
        " directory and /tmp count).",
    )


def _fixed(evidence: Evidence, policy: Policy, limits: Limits) -> tuple[OutcomeKind, str]:
    end = evidence.end
    if end is End.PROCESSES or (end is End.WALL_TIME and evidence.at_process_limit):
        most = policy.processes
        return _K.PROCESSES, f"The experiment reached its limit of {most} processes and threads."
    if end is End.WALL_TIME:
        return _K.WALL_TIME, f"The experiment ran longer than its {limits.wall_seconds:g} s."
    if end is End.OUTPUT_LIMIT:
        return _K.OUTPUT, f"The experiment printed more than {_megabytes(policy.output_bytes)}."
    if end is End.RESULT_LIMIT:
        size = _megabytes(policy.result_bytes)
        return _K.RESULT_SIZE, f"Results and output files take more than {size}."
    if end is End.BUNDLE_LIMIT:
        size = _megabytes(policy.bundle_bytes)
        return _K.REFUSED, f"The inputs take more than the cluster's {size}."
    if end is End.CALLER_SILENT:
        silent = policy.progress_seconds
        return _K.UNAVAILABLE, f"The job neither sent nor received anything for {silent:g} s."
    if end is End.BAD_CALLER:
        return _K.REFUSED, evidence.detail
    if end is End.BAD_GUEST:
        return _K.GUEST_ERROR, evidence.detail
    return _K.CANCELLED, evidence.detail or "The run was cancelled."


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):g} MiB"

"""What ``report.json`` holds: the one place where its keys stand.

The guest says its part, sandboxd adds what it saw and the client where it was; a run without a
sandbox is told of by the client or by the local scheduler. The notebook reads it and believes only
what fits (:mod:`cfiddle_slurm.report`, :mod:`cfiddle_slurm.run.outcomes`). Standard library only:
client and guest are started for every run.
"""

from __future__ import annotations

from cfiddle_slurm.sandbox.protocol import MAX_JSON, OutcomeKind, ProtocolError, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    class Outcome(TypedDict):
        """How the run ended; ``signal`` is a name, ``code`` an exit status."""

        kind: str
        message: str
        signal: str | None
        code: int | None

    class Perf(TypedDict):
        """Whether performance counters work: works, no_pmu or refused, and why."""

        status: str
        detail: str

    class Machine(TypedDict):
        """The machine that it ran on."""

        cpu_model: str | None
        kernel: str
        governor: str | None

    class Guest(Machine):
        """The guest's last word. It runs beside the experiment: none of it is beyond forgery."""

        outcome: Outcome
        cpu_seconds: float
        max_rss_bytes: int
        run_seconds: float
        perf: Perf
        stages: dict[str, float]
        versions: dict[str, str]

    class Measured(TypedDict):
        """What was seen from outside, and the guest's word where nothing else is known."""

        wall_seconds: float | None
        startup_seconds: float | None
        cpu_seconds: float | None
        container_cpu_seconds: float | None
        memory_peak_bytes: float | None

    class Known(TypedDict, total=False):
        """What may be known of a run beside its outcome."""

        run_id: object
        job_id: str
        node: str
        container: str | None
        image: str | None
        cores: str | None
        measured: Measured | None
        guest: Guest | None
        stages: dict[str, float]
        versions: Mapping[str, str | None]

    class Status(Known):
        """The whole of it."""

        outcome: Outcome


MAX_GUEST_STATUS = MAX_JSON // 4
"""The guest's status becomes a part of sandboxd's, which must fit into one JSON
frame, also when every character of it has to be escaped."""
_MAX_ESCAPED = 3 * MAX_GUEST_STATUS
_LONGEST_SIGNAL = 40
_LONGEST_MESSAGE = 2000
_GUEST_KINDS = (
    OutcomeKind.OK,
    OutcomeKind.SIGNAL,
    OutcomeKind.EXITED,
    OutcomeKind.CPU_TIME,
    OutcomeKind.SCRATCH,
    OutcomeKind.RESULT_SIZE,
    OutcomeKind.VERSION_MISMATCH,
    OutcomeKind.GUEST_ERROR,
)


def outcome(
    kind: OutcomeKind, message: str = "", signal: str | None = None, code: int | None = None
) -> Outcome:
    """How a run ended."""
    message = message[:_LONGEST_MESSAGE]
    return {"kind": kind.value, "message": message, "signal": signal, "code": code}


def final(ended: Outcome, **known: Unpack[Known]) -> Status:
    """The final status; what is not known stands in it as None."""
    return {
        "run_id": None,
        "outcome": ended,
        "container": None,
        "image": None,
        "cores": None,
        "measured": None,
        "guest": None,
        "stages": {},
        "versions": {},
        **known,
    }


def measured(
    guest: Guest | None,
    *,
    wall_seconds: float | None,
    startup_seconds: float | None,
    container_cpu_seconds: float | None = None,
    memory_peak_bytes: int | None = None,
) -> Measured:
    """What was measured from outside, completed by what the guest says."""
    said: dict[str, Any] = {**guest} if guest is not None else {}
    return {
        "wall_seconds": wall_seconds,
        "startup_seconds": startup_seconds,
        "cpu_seconds": number(said.get("cpu_seconds")),
        "container_cpu_seconds": container_cpu_seconds,
        # cgroup v2 as seen through the engine has no peak; the largest process is the next best.
        "memory_peak_bytes": memory_peak_bytes or number(said.get("max_rss_bytes")),
    }


def number(value: object) -> float | None:
    """What is a number; None for everything else, which a guest may say, too."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def parse_guest_status(payload: bytes) -> Guest:
    """The guest's status; only its outcome is checked, on which sandboxd and the notebook rely.

    Raises:
        ProtocolError: it is not one.
    """
    if len(payload) > MAX_GUEST_STATUS:
        raise ProtocolError("The guest's status is too long.")
    status: Any = parse_json(payload)
    _check_length(status)
    ended = status.get("outcome")
    # Compared, not looked up: the value may be of a type that cannot be hashed.
    if not isinstance(ended, dict) or not any(k.value == ended.get("kind") for k in _GUEST_KINDS):
        raise ProtocolError("The guest's status names no outcome that a guest may name.")
    for key, kinds in (("message", str), ("signal", str), ("code", int)):
        if not isinstance(ended.get(key), (kinds, type(None))):
            raise ProtocolError(f"The guest's status has a wrong {key}.")
    # What stands in sandboxd's own part of its status, too, is short.
    if len(ended.get("signal") or "") > _LONGEST_SIGNAL or abs(ended.get("code") or 0) >> 31:
        raise ProtocolError("The guest's status has a signal or a code that is none.")
    guest: Guest = status
    return guest


def _check_length(status: dict[str, Any]) -> None:
    """Refuse what would not fit as it is passed on, where one byte may become six."""
    import json

    try:
        length = len(json.dumps(status))
    except RecursionError:
        raise ProtocolError("The guest's status is nested too deeply.") from None
    if length > _MAX_ESCAPED:
        raise ProtocolError("The guest's status is too long.")

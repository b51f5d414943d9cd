"""Frames, outcome kinds and limits shared by client, sandboxd and guest. Standard library only.

A frame is one type byte, a 4-byte big-endian payload length, and the payload. The same frames
travel over sandboxd's unix socket and over the guest's stdin and stdout.
"""

from __future__ import annotations

import struct
from enum import Enum

# The client is started for every run, and says hello before it needs json: typing and json are
# half of the modules it would load. So they are imported where they are needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    class Readable(Protocol):
        """What frames are read from: a binary stream, buffered or not."""

        def read(self, size: int, /) -> bytes | None: ...

    class Writable(Protocol):
        """What frames are written to."""

        def write(self, data: bytes, /) -> object: ...


PROTOCOL = 1
OLDEST_PROTOCOL = 1
"""What sandboxd still understands: a notebook that was opened before an update speaks the protocol
of the version before. It follows PROTOCOL one version later."""
MAX_FRAME = 1 << 20
"""Longest payload of any frame, in bytes."""
MAX_JSON = 64 << 10
"""Longest payload of a frame that holds JSON, in bytes."""
SOCKET_PATH = "/run/cfiddle-slurm/socket/sandboxd.sock"
SOCKET_VARIABLE = "CFIDDLE_SLURM_SOCKET"
JOBS_DIRECTORY = "/run/cfiddle-slurm/jobs"
STATE_NAME = "state"
"""The file beside the socket in which sandboxd says whether it could take a run."""
READY = "ready"
"""Its content then; else it holds the cause."""

HELLO, DATA, END, RELEASE, PING = b"H", b"D", b"E", b"X", b"P"
"""Client to sandboxd (DATA and END go on to the guest)."""
ACCEPTED, OUTPUT, RESULT, STATUS = b"A", b"O", b"R", b"S"
"""sandboxd to client (RESULT and STATUS come from the guest, too)."""
JSON_KINDS = frozenset({HELLO, RELEASE, PING, ACCEPTED, STATUS})
KINDS = JSON_KINDS | {DATA, END, OUTPUT, RESULT}

_HEADER = struct.Struct(">cI")
HEADER_BYTES = _HEADER.size


class ProtocolError(ValueError):
    """The other side sent something that is not part of the protocol."""


class OutcomeKind(str, Enum):
    """How a run ended."""

    OK = "ok"
    SIGNAL = "signal"
    EXITED = "exited"
    CPU_TIME = "cpu_time"
    WALL_TIME = "wall_time"
    MEMORY = "memory"
    PROCESSES = "processes"
    SCRATCH = "scratch"
    OUTPUT = "output"
    RESULT_SIZE = "result_size"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    VERSION_MISMATCH = "version_mismatch"
    GUEST_ERROR = "guest_error"
    HOME = "home"
    """Of the client alone: what came back could not be written to the job directory."""
    WITHDRAWN = "withdrawn"
    """Of the client alone: nobody waits for the run any more."""


def header(kind: bytes, length: int) -> bytes:
    """The first bytes of a frame.

    Raises:
        ProtocolError: unknown kind, or a length that the kind does not allow.
    """
    if kind not in KINDS:
        raise ProtocolError(f"There is no frame of type {kind!r}.")
    limit = MAX_JSON if kind in JSON_KINDS else MAX_FRAME
    if length > limit:
        raise ProtocolError(
            f"A frame of type {kind.decode()} holds at most {limit} bytes, not {length}."
        )
    return _HEADER.pack(kind, length)


def parse_header(data: bytes) -> tuple[bytes, int]:
    """The type and payload length that a frame's first HEADER_BYTES bytes announce.

    Raises:
        ProtocolError: as :func:`header`.
    """
    kind, length = _HEADER.unpack(data)
    header(kind, length)
    return kind, length


def write_frame(stream: Writable, kind: bytes, payload: bytes) -> None:
    """Write one frame; a buffered stream still has to be flushed.

    Raises:
        ProtocolError: unknown kind or payload too long.
        OSError: the stream is broken.
    """
    stream.write(header(kind, len(payload)))
    stream.write(payload)


def read_frame(stream: Readable) -> tuple[bytes, bytes] | None:
    """Read one frame.

    Returns:
        Its type and payload, or None when the stream ended cleanly between two frames.

    Raises:
        ProtocolError: garbage, a truncated frame, or one longer than its type allows.
        OSError: the stream is broken.
    """
    first = _read_exactly(stream, HEADER_BYTES)
    if not first:
        return None
    if len(first) < HEADER_BYTES:
        raise ProtocolError("The stream ended inside a frame's header.")
    kind, length = parse_header(first)
    payload = _read_exactly(stream, length)
    if len(payload) < length:
        raise ProtocolError("The stream ended inside a frame.")
    return kind, payload


def _read_exactly(stream: Readable, count: int) -> bytes:
    """``count`` bytes, fewer only at the end: raw streams may return less than they are asked."""
    data = stream.read(count) if count else b""
    if not data or len(data) == count:
        return data or b""
    parts, missing = [data], count - len(data)
    while missing:
        data = stream.read(missing)
        if not data:
            break
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def json_frame(kind: bytes, value: Mapping[str, object]) -> bytes:
    """A frame that holds a JSON object.

    Raises:
        ProtocolError: the object takes more than MAX_JSON bytes.
    """
    import json

    payload = json.dumps(value, separators=(",", ":")).encode()
    return header(kind, len(payload)) + payload


def write_json(stream: Writable, kind: bytes, value: Mapping[str, object]) -> None:
    """Write one frame that holds a JSON object.

    Raises:
        ProtocolError: the object takes more than MAX_JSON bytes.
        OSError: the stream is broken.
    """
    stream.write(json_frame(kind, value))


def parse_json(payload: bytes) -> dict[str, Any]:
    """The JSON object in a payload from an untrusted side.

    Raises:
        ProtocolError: too long, not UTF-8, not JSON, nested too deeply, or not an object.
    """
    if len(payload) > MAX_JSON:
        raise ProtocolError(f"A JSON payload holds at most {MAX_JSON} bytes, not {len(payload)}.")
    import json

    try:
        value = json.loads(
            payload.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite
        )
    # int() refuses thousands of digits with ValueError; deep nesting is RecursionError.
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"A payload is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"A payload must be a JSON object, not {type(value).__name__}.")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """A number; one beyond all floats would be an infinity, which cannot be passed on as JSON."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return number

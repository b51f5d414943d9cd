"""What is fuzzed: one function for each reader of a stranger's bytes.

A target returns whatever the bytes are, and raises where a promise is broken: an exception that
the reader does not announce, something done that no reader may do, too much memory or time. It
needs no fuzzer: ``python -m tests.fuzz.targets TARGET FILE...`` replays inputs.
"""

import errno
import io
import json
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.archive import BundleError
from cfiddle_slurm.bundle.globs import matches
from cfiddle_slurm.bundle.manifest import Manifest, unpack_bundle
from cfiddle_slurm.door.frames import (
    MUNGE_HEADER_BYTES,
    MUNGE_MOST,
    BadFrame,
    Frames,
    check_first,
    munge_body_bytes,
)
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.printable import printable
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.results.collect import collect
from cfiddle_slurm.run.outcomes import error_of_outcome
from cfiddle_slurm.sandbox.daemon.request import BadRequest, parse_hello, parse_job_id
from cfiddle_slurm.sandbox.daemon.server import receive_question
from cfiddle_slurm.sandbox.daemon.streams import STDOUT, EngineStream, FrameStream
from cfiddle_slurm.sandbox.daemon.verdict import (
    End,
    Evidence,
    State,
    Usage,
    judge,
)
from cfiddle_slurm.sandbox.policy import GIB, Limits, Policy
from cfiddle_slurm.sandbox.protocol import (
    DATA,
    END,
    HELLO,
    MAX_FRAME,
    RELEASE,
    RESULT,
    STATUS,
    OutcomeKind,
    ProtocolError,
    header,
    json_frame,
    parse_json,
)
from cfiddle_slurm.sandbox.status import parse_guest_status
from tests.fuzz.inputs import engine_stream, mended
from tests.fuzz.promises import SECONDS, bounded, expect
from tests.fuzz.result_targets import results_lines, results_pickle
from tests.unit.places import Place

ROOM = 1 << 20
POLICY = Policy(images=("a:1", "b:2"), cpu_seconds=1200)
_OUTPUTS = ("*.txt", "a/**", "b/**")
_PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where files cost no time
LIMITS = Limits("a:1", GIB, 60.0, 60.0)


def bundle(data: bytes) -> None:
    """A bundle, as the guest unpacks it. An odd first byte: with the right checksums."""
    raw = _archive(data)
    with tempfile.TemporaryDirectory(dir=_PLACE) as folder:
        place = Place(folder)
        with suppress(BundleError), bounded():
            try:
                unpack_bundle(io.BytesIO(raw), place.inside, max_bytes=ROOM)
            except OSError as error:
                if error.errno not in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR):
                    raise
        place.check()


def _archive(data: bytes) -> bytes:
    return mended(data[1:]) if data[:1] and data[0] & 1 else data[1:]


def client_frames(data: bytes) -> None:
    """What sandboxd reads of a caller. First byte: 0 all of it, 1 a HELLO, 2 a RELEASE."""
    mode, raw = data[:1], data[1 : 100 << 10]
    if mode in (b"\1", b"\2"):
        kind = HELLO if mode == b"\1" else RELEASE
        with suppress(ProtocolError):
            raw = header(kind, len(raw)) + raw
    ours, theirs = socket.socketpair()
    with ours, theirs, suppress(ProtocolError, OSError, BadRequest):
        ours.sendall(raw)
        ours.shutdown(socket.SHUT_WR)
        with bounded():
            kind, question = receive_question(theirs, SECONDS)
            rest = b"".join(iter(lambda: theirs.recv(1 << 16), b""))
            expect(raw.endswith(rest), "more was read than the question")
            _same_in_any_pieces(lambda: FrameStream(frozenset((DATA, END))), rest)
            if kind == HELLO:
                _check_limits(parse_hello(question, POLICY).limits)
            elif kind == RELEASE:
                expect(int(parse_job_id(question)) > 0, "that is no job")


def _check_limits(limits: Limits) -> None:
    expect(limits.image in POLICY.images, "an image that the policy does not have")
    for limit, most in (
        (limits.memory, POLICY.memory),
        (limits.wall_seconds, POLICY.wall_seconds),
        (limits.cpu_seconds, POLICY.cpu_seconds),
    ):
        expect(0 < limit <= most, "a limit above the policy")  # which no NaN is


Stream = EngineStream | FrameStream


def _same_in_any_pieces(make: Callable[[], Stream], raw: bytes) -> tuple[list[Any], str]:
    """What a stream gives, which is the same piece by piece; and how it ends."""
    whole = _fed(make(), [raw])
    size = 1 + len(raw) // 100
    pieces = (raw[at : at + size] for at in range(0, len(raw), size))
    expect(_fed(make(), pieces) == whole, "pieces matter")
    return whole


def _fed(stream: Stream, pieces: Iterable[bytes]) -> tuple[list[Any], str]:
    found: list[Any] = []
    try:
        for piece in pieces:
            for number, content in stream.feed(piece):
                if isinstance(content, memoryview) and found and found[-1][0] == number:
                    found[-1][1].extend(content)
                else:
                    found.append((number, bytearray(content)))
    except ProtocolError as error:
        return found, str(error)
    return found, ""


def guest_frames(data: bytes) -> None:
    """What sandboxd and the notebook read of a guest.

    First byte: 0 the engine's stream, 1 the guest's frames, 2 its results, 3 its status.
    """
    mode, raw = data[0] if data else 0, data[1:]
    if mode == 3:
        raw = STATUS + len(raw).to_bytes(4, "big") + raw
    elif mode == 2:
        results = mended(raw)[:MAX_FRAME]
        raw = RESULT + len(results).to_bytes(4, "big") + results
        raw += json_frame(STATUS, {"outcome": {"kind": "ok"}})
    if mode:
        raw = engine_stream(raw)
    with bounded():
        parts, _ = _same_in_any_pieces(EngineStream, raw)
        said = b"".join(content for number, content in parts if number == STDOUT)
        frames, _ = _same_in_any_pieces(lambda: FrameStream(frozenset((RESULT, STATUS))), said)
    results = b"".join(content for kind, content in frames if kind == RESULT)
    _bring_home(results)
    for kind, content in frames:
        if kind == STATUS:
            with suppress(ProtocolError), bounded():
                _tell(parse_guest_status(bytes(content)))


def _bring_home(results: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_PLACE) as folder:
        place = Place(folder)
        place.archive.write_bytes(results)
        with suppress(ResultRejected), bounded():
            collect(place.archive, place.inside, outputs=_OUTPUTS)
        place.check()
        for path in place.inside.rglob("*"):
            name = path.relative_to(place.inside).as_posix()
            expect(path.is_dir() or matches(name, _OUTPUTS), "it was not asked for")


def _tell(guest: Any) -> None:
    """The whole way of a guest's last word: judged, told, and shown."""
    for state in (None, State(oom_killed=True, exit_code=137)):
        said = judge(Evidence(End.GUEST_DONE, guest, Usage(), state), POLICY, LIMITS)
        whole = {"outcome": said, "guest": guest}
        frame = json_frame(STATUS, whole)
        expect(parse_json(frame[5:]) == whole, "the status changes on its way")
    _show(whole)


def _show(status: dict[str, Any]) -> None:
    error = error_of_outcome(status)
    outcome = status.get("outcome")
    kind = outcome.get("kind") if isinstance(outcome, dict) else None
    expect((error is None) == (kind == OutcomeKind.OK.value), "success and failure are confused")
    expect(error is None or bool(str(error)), "an error without a word")
    expect(error is None or printable(str(error)) == str(error), "it gives a terminal commands")
    report = RunReport.of(
        status, scheduler="slurm", submitted=1.0, started=None, finished=2.0, collected=3.0
    )
    expect(bool(str(report)) and report._repr_html_().count("<tr>") > 9, "no report")
    json.dumps(report.to_dict())


def manifest(data: bytes) -> None:
    """A manifest."""
    with suppress(BundleError), bounded():
        found = Manifest.from_bytes(data)
        texts = [found.run_id, found.kind, *found.outputs, *found.environment.values()]
        expect(all(type(text) is str for text in texts), "what should be text is not")
        with suppress(RecursionError):  # nobody writes again what was read of a stranger
            again = Manifest.from_bytes(found.to_bytes())
            expect(again.to_bytes() == found.to_bytes(), "a manifest changes on its way")


def request(data: bytes) -> None:
    """The JSON of a HELLO."""
    with suppress(BadRequest, ProtocolError), bounded():
        _check_limits(parse_hello(parse_json(data), POLICY).limits)


def report(data: bytes) -> None:
    """A report, as the notebook finds it."""
    with suppress(ProtocolError), bounded():
        _show(parse_json(data))


def door_frames(data: bytes) -> None:
    """What the doors read of a caller. First byte: 0, 1 Slurm's messages, 2 a request of munge."""
    mode, raw = data[:1], data[1:]
    with suppress(BadFrame), bounded():
        if mode == b"\2":
            expect(0 < munge_body_bytes(raw[:MUNGE_HEADER_BYTES]) <= MUNGE_MOST, "too much of it")
            return
        found: list[list[bytes]] = [_frames_of(raw, size) for size in (1, 7, len(raw) + 1)]
        for fewer in found[1:]:  # where one piece holds what is refused, all of it is
            expect(found[0][: len(fewer)] == fewer, "other pieces are other messages")
        expect(raw.startswith(b"".join(found[0])), "what passes is not what was said")
        for message in found[0][:1]:
            check_first(message, accounting=mode == b"\1")
            start = 6 if mode == b"\1" else 4
            expect(not any(message[start + 10 : start + 14]), "a message for others passes")


def _frames_of(raw: bytes, size: int) -> list[bytes]:
    """What passes of it, in pieces of a size."""
    frames, found = Frames(ROOM), []
    with suppress(BadFrame):
        for place in range(0, len(raw), size):
            found += frames.feed(raw[place : place + size])
            expect(frames.wanted <= ROOM + 4, "more is held than may be")
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        bundle, results_pickle, results_lines, client_frames, guest_frames, manifest, request,
        report, door_frames,
    )
}  # fmt: skip


def main() -> None:
    """Replay inputs; the first that breaks a promise ends it with its traceback."""
    name, *files = sys.argv[1:]
    for file in files:
        TARGETS[name](Path(file).read_bytes())


if __name__ == "__main__":
    main()

"""The first inputs of each target: ``python -m tests.fuzz.seeds`` writes them into the corpus.

They are made by the project's own writers, and by the forgers of the unit tests.
"""

import io
import json
import struct
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from cfiddle.Runner import InvocationResult, MissingArgument

from cfiddle_slurm.bundle.layout import MANIFEST
from cfiddle_slurm.bundle.manifest import Manifest
from cfiddle_slurm.sandbox.guest.experiment import describe_exception
from cfiddle_slurm.sandbox.guest.recording import LineRecorder, Recorder
from cfiddle_slurm.sandbox.protocol import DATA, END, RELEASE, RESULT, STATUS, header, json_frame
from tests.fuzz.inputs import engine_stream
from tests.unit import forged_archives as archives
from tests.unit import forged_pickles as pickles
from tests.unit.forged_bombs import DEEP_OBJECTS, EMPTY_ONES, GREEDY, nested
from tests.unit.forged_lines import DAMAGED, FORGED, line

CORPUS = Path(__file__).with_name("corpus")
RAW, MENDED = b"\0", b"\1"
RUN, CALL = b"\0", b"\1"
HELLO: dict[str, Any] = {
    "protocol": 1,
    "job_id": "12",
    "run_id": "0123456789abcdef",
    "image": "a:1",
    "wall_seconds": 1.5,
    "cpu_seconds": 2,
    "memory_bytes": 1 << 28,
}
LAST_WORD: dict[str, Any] = {
    "protocol": 1,
    "outcome": {"kind": "signal", "message": "it crashed", "signal": "SIGSEGV", "code": None},
    "cpu_seconds": 0.5,
    "max_rss_bytes": 1 << 20,
    "versions": {"python": "3.11"},
}
MOST = 1 << 15
"""Bytes of an input."""
DEEP = b'{"protocol": ' + b"[" * 900 + b"]" * 900 + b"}"


def manifests() -> Iterator[tuple[str, bytes]]:
    """Manifests."""
    whole = Manifest("0" * 16, "call", {"call": "x"}, ("*.txt",), {"A": "b"}, {"python": "3.11"})
    yield "whole", whole.to_bytes()
    yield "a value that is not text", whole.to_bytes().replace(b'"b"', b"5")
    yield "nested", DEEP
    yield "no number", b'{"format": 1e999, "run_id": NaN}'
    yield "a long number", b'{"format": ' + b"9" * 5000 + b"}"
    yield "no object", b"[1]"


def bundles() -> Iterator[tuple[str, bytes]]:
    """Bundles."""
    head = archives.raw_member(MANIFEST, Manifest("0" * 16, "call").to_bytes())
    for what, member in {
        "whole": archives.archive({"files/b.txt": b"x" * 600, "files/b/c": b"y"}),
        "a file in a link": archives.raw_member("a/file", b"x") + archives.END,
        "a folder after a file": archives.raw_member("b") + archives.raw_member("b/c"),
        "a name that is too long": archives.long_name("n" * 300) + archives.END,
        "negative": archives.member_of_negative_size(-512),
        "not ended": archives.raw_member("b", b"x" * 600)[:700],
        **archives.HOSTILE,
    }.items():
        yield what, (RAW if what == "whole" else MENDED) + head + member + archives.END
    yield "no manifest", RAW + archives.archive({"files/b.txt": b"x"})
    yield "empty", RAW + archives.END


def honest_records() -> Iterator[tuple[str, bytes]]:
    """Records as the sandbox writes them."""
    stream = io.BytesIO()
    recorder = Recorder(stream)
    invocation = object()
    recorder.know({0: invocation})
    for number in range(2):
        counted = [OrderedDict(ET=0.5, cycles=10**20 + number)]
        recorder.record(("result", InvocationResult(invocation, counted, -1)))
    yield "results", RUN + stream.getvalue()
    for error in (KeyError("n"), OSError(2, "no", "file"), UnicodeDecodeError("a", b"b", 0, 1, "")):
        told = describe_exception(error)
        kind = type(error).__name__
        yield f"raised {kind}", RUN + pickles.pickled(("raised", *told[:2], "trace", told[3]))
    table = {"a": [1, 2.5, None, True, "x", b"y", bytearray(b"z"), {1}, frozenset((2,)), 1j]}
    yield "a value", CALL + pickles.pickled(("value", table))
    yield "a state", CALL + pickles.pickled(("state", {"a": pickles.SentPoint(1, 2)}, ["b"]))
    yield "cut off", RUN + pickles.pickled(("value", table))[:-9]


def forged_records() -> Iterator[tuple[str, bytes]]:
    """Records as nobody honest writes them."""
    for what, name in list(pickles.NAMES.items())[::3]:
        yield f"name {what}", CALL + pickles.record(pickles.called(name, pickles.text("x")))
    for what, raw in pickles.BROKEN.items():
        yield f"broken {what}"[:60], RUN + raw
    for what, (start, step, first) in DEEP_OBJECTS.items():
        yield f"deep {what}", CALL + pickles.record(start + nested(step, 1100, first))
    for what, body in GREEDY.items():
        if "copied" not in what:
            yield f"greedy {what}", CALL + pickles.record(body)
    for what, form in {
        "a far place": ("builtins", "UnicodeDecodeError", ("a", b"b", -(1 << 40), 1, "c"), {}),
        "a file": ("builtins", "SyntaxError", ("a", ("/dev/zero", 1, 1, None)), {"text": "x"}),
        "attributes": ("cfiddle.Runner", "MissingArgument", ("\x1b[2J",), {"_a": 1, "b": [(2,)]}),
        "a sent class": (pickles.__name__, "SentError", (1, {"a": None}), {"args": 5}),
    }.items():
        yield f"raised {what}", CALL + pickles.pickled(("raised", "a.E", "text", "trace", form))
    for what in ("empty sets", "empty lists, noted"):
        body = EMPTY_ONES[what][:4000] + b"t"
        yield f"many {what}".replace(",", ""), CALL + pickles.record(body)
    deep_key = b"}" + pickles.EMPTY + b"\x85" * 3000 + b"Ns"
    yield "a tuple too deep to be a key", RUN + pickles.record(deep_key)
    endless_key = b"}" + pickles.EMPTY + b"2\x86" * 60 + b"Ns"
    yield "a tuple too wide to be a key", RUN + pickles.record(endless_key)
    made = pickles.bare(pickles.named("cfiddle.Data", "InvocationResultsList"))
    other = pickles.bare(pickles.ALSO_SENT)
    for what, body in {
        "a constructor": pickles.called(pickles.SENT, pickles.text("x")),
        "a state taken by a class": other
        + pickles.table(__setstate__=pickles.SENT) + pickles.BUILD
        + pickles.text("payload") + pickles.BUILD,
        "a state taken by a callers object": other
        + pickles.table(__setstate__=pickles.referred(pickles.number(0))) + pickles.BUILD
        + pickles.text("payload") + pickles.BUILD,
        "a list filled by a class": made + pickles.table(extend=pickles.SENT) + pickles.BUILD
        + b"(" + pickles.text("payload") + b"e",
        "a change of the callers object": pickles.referred(pickles.number(0))
        + pickles.table(arguments=pickles.number(0)) + pickles.BUILD,
        "a change of a class": pickles.attributes_set(pickles.ALSO_SENT, x=pickles.number(1)),
        "an attribute that a display obeys": other
        + pickles.table(_repr_html_=pickles.SENT) + pickles.BUILD,
        "an exception with a state": pickles.named("builtins", "ImportError") + b")R"
        + pickles.table(name=pickles.text("a"), __cause__=b"N", code=pickles.number(1))
        + pickles.BUILD,
        "an array that does not come": pickles.announced(b"\x96", 1 << 40),
    }.items():  # fmt: skip
        yield what, CALL + pickles.record(body)


def honest_lines() -> Iterator[tuple[str, bytes]]:
    """Lines as the sandbox writes them."""
    stream = io.BytesIO()
    recorder = LineRecorder(cast("BinaryIO", stream))
    known = [object() for _ in range(3)]
    recorder.know(dict(enumerate(known)))
    uneven = [{"a": "1"}, {"a": "2", None: ["3", "4"]}]
    tables: tuple[Any, ...] = ([], [{"ET": "0.5", "é": None}] * 3, uneven)
    for invocation, rows, value in zip(known, tables, (None, float("inf"), b"\xff"), strict=True):
        recorder.record(("result", InvocationResult(invocation, rows, value)))
    yield "results", stream.getvalue()
    yield "cut off", stream.getvalue()[:-9]
    for error in (KeyError("n"), MissingArgument("x", (1, b"y"))):
        stream.seek(0)
        stream.truncate()
        told = describe_exception(error)
        recorder.record(("raised", *told[:2], "trace", told[3]))
        yield f"raised {type(error).__name__}", stream.getvalue()
    title = "\x1b]0;title\x07"
    yield "commands", line(["result", 0, [title], [[title]], title])
    yield "damaged", DAMAGED


def forged_lines() -> Iterator[tuple[str, bytes]]:
    """Lines as nobody honest writes them."""
    for what, (raw, _) in FORGED.items():
        yield what, raw if len(raw) < MOST else raw[:MOST]


def questions() -> Iterator[tuple[str, bytes]]:
    """The JSON of a HELLO."""
    changes: dict[str, dict[str, Any]] = {
        "whole": {},
        "another image": {"image": "evil:1"},
        "beyond all numbers": {"memory_bytes": 10**400},
        "above": {"wall_seconds": 1e9},
        "another protocol": {"protocol": 2},
        "an unknown key": {"privileged": True},
        "versions": {"versions": {"cfiddle": "0.6.1", "python": "3.13"}},
        "versions of another kind": {"versions": [["cfiddle", 1]]},
        "no job": {"job_id": "0"},
    }
    for what, change in changes.items():
        yield what, json.dumps({**HELLO, **change}).encode()
    yield "nested", DEEP


def callers() -> Iterator[tuple[str, bytes]]:
    """What sandboxd reads of a caller."""
    bundle = header(DATA, 3) + b"abc" + header(END, 0)
    yield "a run", b"\0" + json_frame(b"H", HELLO) + bundle
    yield "a release", b"\0" + json_frame(RELEASE, {"job_id": "7"})
    yield "a ping", b"\0" + json_frame(b"P", {"protocol": 1})
    yield "only a header", b"\0H\0\0\0\2"
    yield "a frame of another kind", b"\0" + json_frame(STATUS, {}) + bundle
    yield "a frame that is too long", b"\0H\xff\xff\xff\xff{}"
    yield "a release of no job", b"\2" + json.dumps({"job_id": "../7"}).encode()
    for what, raw in questions():
        yield f"hello {what}", b"\1" + raw


def guests() -> Iterator[tuple[str, bytes]]:
    """What is read of a guest."""
    results = archives.archive({"results/0": pickles.pickled(("value", 1)), "outputs/b.txt": b"x"})
    frames = header(RESULT, len(results)) + results + json_frame(STATUS, LAST_WORD)
    yield "a run", b"\0" + engine_stream(frames) + b"\2\0\0\0\0\0\0\3abc"
    yield "frames", b"\1" + frames
    yield "another kind", b"\1" + json_frame(RELEASE, {})
    yield "a stream of another kind", b"\0\3\0\0\0\0\0\0\1x"
    yield "results", b"\2" + results
    for what, member in archives.bad_names("outputs").items():
        yield f"results {what}", b"\2" + member + archives.END
    for what, name in (
        ("asked", "outputs/b/x"),
        ("not asked", "outputs/c"),
        ("in a link asked", "outputs/a/x"),
        ("beside it asked", "b"),
    ):
        yield f"results {what} for", b"\2" + archives.raw_member(name, b"x") + archives.END
    yield "status", b"\3" + json.dumps(LAST_WORD).encode()
    for what, outcome in {
        "a long signal": {"kind": "signal", "signal": "\x7f" * 3000},
        "a long code": {"kind": "exited", "code": 10**400},
        "a kind that no guest has": {"kind": "wall_time"},
        "a kind that is a list": {"kind": []},
    }.items():
        said = json.dumps({"outcome": outcome}, ensure_ascii=False).encode()
        yield f"status {what}", b"\3" + said
    yield "status no number", b'\3{"outcome": {"kind": "ok"}, "cpu_seconds": 1e999}'


def reports() -> Iterator[tuple[str, bytes]]:
    """Reports, as the notebook finds them."""
    guest = {**LAST_WORD, "cpu_model": "A CPU", "perf": {"status": "no_pmu", "detail": "none"}}
    measured = {"wall_seconds": 0.5, "startup_seconds": 0.25, "memory_peak_bytes": 3 << 20}
    whole = {"run_id": "0" * 16, "job_id": "7", "node": "w1", "outcome": LAST_WORD["outcome"]}
    yield "whole", json.dumps({**whole, "measured": measured, "guest": guest}).encode()
    yield "refused", b'{"outcome": {"kind": "refused", "message": "no"}, "guest": null}'
    yield "wrong types", b'{"outcome": [], "guest": 5, "measured": {"cpu_seconds": "1"}}'
    yield "markup", b'{"node": "[bold]<b>\\u001b[2J", "outcome": {"kind": []}}'
    yield "long numbers", b'{"guest": {"run_seconds": 1' + b"0" * 400 + b"}}"
    yield "nested", DEEP


def doors() -> Iterator[tuple[str, bytes]]:
    """What comes to the doors."""
    header = struct.Struct("!HHHIHH")

    def message(nodes: int, answers: int, before: bytes = b"") -> bytes:
        content = before + header.pack(42 << 8, 0, 2009, 7, nodes, answers) + b"content"
        return struct.pack("!I", len(content)) + content

    yield "two messages", b"\0" + message(0, 0) + message(9, 9)
    yield "accounting", b"\1" + message(0, 0, b"\x05\x7d")
    yield "for other nodes", b"\0" + message(60000, 0)
    yield "with answers", b"\1" + message(0, 3, b"\x05\x7d")
    yield "a length word", b"\0" + struct.pack("!I", 900_000_000) + bytes(100)
    yield "munge", b"\2" + struct.pack("!IBBBI", 0x606D4B, 4, 2, 0, 100)
    yield "munge too long", b"\2" + struct.pack("!IBBBI", 0x606D4B, 4, 2, 0, 1 << 30)


SEEDS = {
    "bundle": [bundles],
    "results_pickle": [honest_records, forged_records],
    "results_lines": [honest_lines, forged_lines],
    "client_frames": [callers],
    "guest_frames": [guests],
    "manifest": [manifests],
    "request": [questions],
    "report": [reports],
    "door_frames": [doors],
}


def main() -> None:
    """Write all seeds; what else is in the corpus stays."""
    for target, makers in SEEDS.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for maker in makers:
            for what, raw in maker():
                (folder / what.replace(" ", "-").replace("'", "")).write_bytes(raw)


if __name__ == "__main__":
    main()

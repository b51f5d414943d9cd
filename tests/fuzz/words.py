"""Words that a fuzzer would not find by itself, by target."""

from tests.unit import forged_pickles as pickles

_JSON = (b"null", b"true", b"1e999", b"-1", b"{}", b"[]", b"[[[[[[[[", b'"":', b"\\ud800", b"NaN")
_TAR = (b"././@LongLink\0", b"../", b"ustar  \0", b"results/0", b"outputs/", b"manifest.json")
_CLASSES = (
    ("builtins", "ValueError"), ("builtins", "OSError"), ("builtins", "complex"),
    ("builtins", "ImportError"), ("builtins", "SyntaxError"),
    ("builtins", "slice"), ("builtins", "range"), ("builtins", "str"), ("builtins", "list"),
    ("builtins", "dict"), ("builtins", "frozenset"), ("builtins", "bytearray"), ("_io", "BytesIO"),
    ("collections", "OrderedDict"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("collections", "deque"), ("datetime", "datetime"), ("datetime", "timezone"),
    ("datetime", "timedelta"), ("decimal", "Decimal"), ("fractions", "Fraction"),
    ("uuid", "UUID"), ("pathlib", "PosixPath"), ("cfiddle.Runner", "InvocationResult"),
    ("cfiddle.Data", "InvocationResultsList"), ("cfiddle.Runner", "MissingArgument"),
)  # fmt: skip


def _keys(*names: str) -> tuple[bytes, ...]:
    return tuple(f'"{name}": '.encode() for name in names)


def _pickle() -> tuple[bytes, ...]:
    """Classes, records, and the steps that fill and make objects."""
    named = [pickles.named(*name) for name in _CLASSES]
    named += [pickles.named(pickles.__name__, kind.__name__) for kind in pickles.SENT_CLASSES]
    steps = [b")R", b")\x81", b"\x85R", b"}(", b"]q\1", b"h\1", b"\x93", b"\x94", b"0h\1", b"Q"]
    names = [
        "value", "result", "state", "raised", "__setstate__", "__cause__", "_repr_html_",
        "extend", "a",
    ]  # fmt: skip
    return (*named, *(pickles.bare(name) for name in named), *steps, *map(pickles.text, names))


_LINES = (
    b'["result",0,["a"],[["1"]],1]\n', b'["rows",1,["a"],[["1"]]]\n',
    b'["raised","a.E","text","trace",', b'["cfiddle.Runner","MissingArgument",',
    b'{"tuple":[', b'{"dict":[[', b'{"bytes":"ff"}', b'{"float":"nan"}', b"\n",
)  # fmt: skip
_OUTCOME = _keys("outcome", "kind", "message", "signal", "code")
_HELLO = _keys(
    "protocol", "job_id", "run_id", "image", "wall_seconds", "cpu_seconds", "memory_bytes"
)
_REPORT = _keys(
    "guest", "measured", "versions", "perf", "status", "detail", "startup_seconds", "run_seconds",
    "memory_peak_bytes", "max_rss_bytes", "node", "kernel",
)  # fmt: skip
_MANIFEST = _keys("format", "run_id", "kind", "entry", "outputs", "environment", "versions")
WORDS: dict[str, tuple[bytes, ...]] = {
    "bundle": (*_TAR, *_MANIFEST),
    "results_pickle": _pickle(),
    "results_lines": (*_LINES, *_JSON),
    "client_frames": (b"H\0\0\0", b"D\0\0\0", b"E\0\0\0\0", b"X\0\0\0", *_HELLO, *_JSON),
    "guest_frames": (b"\1\0\0\0\0\0\0", b"R\0\0\0", b"S\0\0\0", *_TAR, *_OUTCOME, *_JSON),
    "manifest": (*_MANIFEST, *_JSON),
    "request": (*_HELLO, *_JSON),
    "door_frames": (
        b"\0\0\0\x10",
        b"\x2a\0\0\0",
        b"\0\x60mK\4\2\0",
        b"\x05\x7d",
        b"\xff\xff\xff\xff",
    ),
    "report": (*_OUTCOME, *_REPORT, *_JSON),
}

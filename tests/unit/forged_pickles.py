"""Pickles written by hand, and the classes of a caller's own that they abuse."""

import pickle
from typing import Any, NamedTuple

EMPTY, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD = b")", b"\x81", b"\x92", b"R", b"b"
_PROTOCOL, _GLOBAL, _PERSISTENT = b"\x80\x05", b"\x93", b"Q"


def text(value: str) -> bytes:
    """Push a text."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def named(module: str, name: str) -> bytes:
    """Push what a module calls by a name."""
    return text(module) + text(name) + _GLOBAL


def tuple_of(value: bytes) -> bytes:
    """Push a tuple of one value."""
    return value + b"\x85"


def table(**items: bytes) -> bytes:
    """Push a dictionary of values."""
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def called(function: bytes, argument: bytes) -> bytes:
    """Push what a call with one argument gives."""
    return function + tuple_of(argument) + REDUCE


def number(value: int) -> bytes:
    """Push a small number."""
    return b"K" + bytes([value])


def referred(key: bytes) -> bytes:
    """Push the object that the reader has by a key."""
    return key + _PERSISTENT


def attributes_set(target: bytes, **items: bytes) -> bytes:
    """Push a target after its attributes were set one by one, as for a class with slots."""
    return target + b"N" + table(**items) + b"\x86" + BUILD


def bare(kind: bytes) -> bytes:
    """Push an object of a class, made without arguments."""
    return kind + EMPTY + NEWOBJ


def kept(value: bytes, place: int) -> bytes:
    """Push a value that can be pushed again."""
    return value + b"q" + bytes([place])


def again(place: int) -> bytes:
    """Push what was kept."""
    return b"h" + bytes([place])


def unseen(value: bytes) -> bytes:
    """Push nothing, after a value was loaded."""
    return value + b"0"


def announced(kind: bytes, length: int) -> bytes:
    """Push what takes so many bytes, without these."""
    return kind + length.to_bytes(8, "little")


def after(first: bytes, second: bytes) -> bytes:
    """Push the second only, after the first was loaded."""
    return first + b"0" + second


def record(value: bytes, kind: str = "value") -> bytes:
    """A whole record."""
    return _PROTOCOL + text(kind) + value + b"\x86."


ran: list[Any] = []
"""What ran of the classes below that must not have run."""


class Sent:
    """A class of the caller's own, whose constructor could do anything."""

    def __init__(self, *arguments: Any) -> None:
        ran.append(arguments)


class AlsoSent:
    """Another one."""

    content: Any = None


class SentPoint(NamedTuple):
    """A named tuple of the caller's own."""

    x: Any
    y: Any


class SentChoosy:
    """Another one, which can be made in its own way only."""

    def __new__(cls, *arguments: Any) -> "SentChoosy":
        if arguments:
            ran.append(arguments)
        return super().__new__(cls)


class SentList(list[Any]):
    """A container of the caller's own, whose methods could do anything."""

    def append(self, item: Any) -> None:
        ran.append(item)

    def extend(self, items: Any) -> None:
        ran.append(items)


class SentTable(dict[Any, Any]):
    """Another one."""

    def __setitem__(self, key: Any, value: Any) -> None:
        ran.append((key, value))


class SentSet(set[Any]):
    """Another one."""

    def add(self, item: Any) -> None:
        ran.append(item)

    def update(self, *items: Any) -> None:
        ran.append(items)


class SentBytes(bytes):
    """Bytes of the caller's own."""


class SentError(Exception):
    """An exception of the caller's own, whose constructor could do anything."""

    def __init__(self, first: str, second: int) -> None:
        ran.append((first, second))
        super().__init__(first, second)


def run(*arguments: Any) -> None:
    """A function of the caller's own."""
    ran.append(arguments)


SENT_CLASSES = (
    Sent, AlsoSent, SentPoint, SentChoosy, SentList, SentTable, SentSet, SentBytes,
)  # fmt: skip
EXTRA = frozenset((__name__, name) for name in ("run", *(kind.__name__ for kind in SENT_CLASSES)))
SENT, ALSO_SENT = named(__name__, "Sent"), named(__name__, "AlsoSent")
NAMES: dict[str, bytes] = {
    "a function of the system": named("os", "system"),
    "its other name": named("posix", "system"),
    "a builtin": named("builtins", "eval"),
    "a builtin by its old name": b"c__builtin__\neval\n",
    "attribute access": named("builtins", "getattr"),
    "a class that runs programs": named("subprocess", "Popen"),
    "a class of CFiddle that runs programs": named("cfiddle.Toolchain.Clang", "ClangToolchain"),
    "a method through a dotted name": named("cfiddle.Runner", "InvocationResult.__init__"),
    "a module through a dotted name": named("cfiddle.Runner", "os.system"),
    "a function of the sent module": named(__name__, "run"),
    "a class of the sent module that was not sent": named(__name__, "Any"),
    "an end of the program": named("builtins", "SystemExit"),
    "a keyboard interrupt": named("builtins", "KeyboardInterrupt"),
    "a type of types": named("builtins", "type"),
    "nothing that exists": named("no.such.module", "x"),
    "a module that CFiddle does not have": named("cfiddle.none", "x"),
    "no module": named("", "x"),
    "no name": named("builtins", ""),
    "a number for a name": b"K\x01K\x02" + _GLOBAL,
    "an extension code": b"\x82\x4d",
    "an unknown extension code": b"\x84\xff\xff\xff\x7f",
}
BROKEN: dict[str, bytes] = {
    "an empty stack": b"\x80\x05000.",
    "a number of many digits": b"L" + b"9" * 5000 + b"L\n.",
    "a text that is none": b"\x80\x05\x8c\x01\xff.",
    "data out of band": b"\x80\x05\x97.",
    "a protocol of the future": b"\x80\x63N.",
    "nothing in the memo": b"\x80\x05j\xff\xff\xff\x00.",
    "a list as a key": b"\x80\x05}](s.",
    "a call of a number": b"\x80\x05K\x01)R.",
    "a call without arguments": record(SENT + REDUCE),
    "half an opcode": b"\x80\x05N.\xfe\xfeN.",
}
NOT_RECORDS: list[Any] = [
    None, 5, "value", b"value", [], {}, (), ("value",), ("value", 1, 2), ("values", 1),
    ("state", {}), ("state", None, []), ("state", {}, {}), ("state", {1: 2}, []),
    ("state", {"a": 2}, [3]), ("raised", "a", "b", "c"), ("raised", "a", "b", None, None),
    ("raised", 1, "b", "c", None), ("raised", "a", "b", "c", "d"), ("raised", "a", [], "c", None),
    ("raised", "a", "b", "c", b""), ("raised", "a", "b", "c", ()),
    ("raised", "a", "b", "c", (1, "a", (), {})),
    ("raised", "a", "b", "c", ("a", "b", [], {})), ("raised", "a", "b", "c", ("a", "b", (), None)),
    ("state", {"__array_interface__": {}}, []), ("state", {"a": 1}, ["_repr_html_"]),
    ("returned", {"__array_interface__": {}}, [], 1), ("returned", {}, []),
]  # fmt: skip


def pickled(value: object) -> bytes:
    """An honest pickle."""
    return pickle.dumps(value, protocol=5)

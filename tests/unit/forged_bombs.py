"""Small pickles of what is very deep, or becomes very large."""

from tests.unit import forged_pickles as forged
from tests.unit.forged_pickles import (
    BUILD,
    EMPTY,
    NEWOBJ,
    REDUCE,
    again,
    called,
    kept,
    named,
    number,
    table,
    text,
    tuple_of,
    unseen,
)


def nested(step: bytes, depth: int, first: bytes = b"N") -> bytes:
    """What is made by a step again and again, each time with what was made before in place 1."""
    return unseen(kept(first, 1)) + unseen(kept(step, 1)) * depth + again(1)


def type_kept(module: str, name: str) -> bytes:
    """Nothing; but a class is in place 0 afterwards."""
    return unseen(kept(named(module, name), 0))


NEW = again(0) + EMPTY + REDUCE
DEEP_OBJECTS: dict[str, tuple[bytes, bytes, bytes]] = {
    "tuples": (b"", again(1) + b"\x85", EMPTY),
    "pairs of a tuple": (b"", again(1) + again(1) + b"\x86", EMPTY),
    "long tuples": (b"", b"(" + again(1) + b"NNNNt", EMPTY),
    "slices": (type_kept("builtins", "slice"), called(again(0), again(1)), b"N"),
    "deques": (type_kept("collections", "deque"), NEW + again(1) + b"a", b"N"),
    "deques of a list": (
        type_kept("collections", "deque"), called(again(0), b"]" + again(1) + b"a"), b"N",
    ),
    "tables with defaults": (type_kept("collections", "defaultdict"), NEW + b"N" + again(1) + b"s",
                             b"N"),
    "exceptions with causes": (
        type_kept("builtins", "OSError"), NEW + table(__cause__=again(1)) + BUILD, NEW,
    ),
    "exceptions of exceptions": (
        type_kept("builtins", "OSError"),
        again(0) + number(1) + text("a") + again(1) + b"\x87" + REDUCE, b"N",
    ),
    "exceptions with values": (
        type_kept("builtins", "ImportError"), NEW + table(name=again(1)) + BUILD, b"N",
    ),
    "named tuples": (
        unseen(kept(named(forged.__name__, "SentPoint"), 0)),
        again(0) + again(1) + b"N\x86" + NEWOBJ, b"N",
    ),
}  # fmt: skip


RANGE = called(named("builtins", "range"), b"\x8a\x05" + (10**9).to_bytes(5, "little"))
HUGE = text("1e999999999")
GREEDY: dict[str, bytes] = {
    "a range made a list": called(named("builtins", "list"), RANGE),
    "a range made a tuple": called(named("builtins", "tuple"), RANGE),
    "a bare tuple of a range": named("builtins", "tuple") + tuple_of(RANGE) + NEWOBJ,
    "a bare frozen set of a range": named("builtins", "frozenset") + tuple_of(RANGE) + NEWOBJ,
    "a named tuple of a range": (
        named(forged.__name__, "SentPoint") + b"]" + RANGE + b"a" + NEWOBJ
    ),
    "a list of arguments": named("builtins", "list") + b"]" + RANGE + b"a" + REDUCE,
    "an array by a number": called(named("builtins", "bytearray"), b"J\xff\xff\xff\x7f"),
    "a fraction by an exponent": called(named("fractions", "Fraction"), HUGE),
    "a bare fraction by an exponent": named("fractions", "Fraction") + tuple_of(HUGE) + NEWOBJ,
    "a whole number by an exponent": called(
        named("builtins", "int"), called(named("decimal", "Decimal"), HUGE)
    ),
    "a list copied again and again": (
        unseen(kept(b"](" + b"N" * 5000 + b"e", 1))
        + unseen(kept(named("builtins", "list"), 2))
        + b"(" + called(again(2), again(1)) * 10_000 + b"t"
    ),
    "bytes copied again and again": (
        unseen(kept(b"B\x00\x40\x00\x00" + bytes(1 << 14), 1))
        + unseen(kept(named("builtins", "bytearray"), 2))
        + b"(" + called(again(2), again(1)) * 20_000 + b"t"
    ),
}  # fmt: skip

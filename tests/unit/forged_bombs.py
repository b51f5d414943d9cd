"""Small pickles of what is very deep, or becomes very large."""

from tests.unit import forged_pickles as forged
from tests.unit.forged_pickles import (
    EMPTY,
    NEWOBJ,
    REDUCE,
    again,
    called,
    kept,
    named,
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
    "named tuples": (
        unseen(kept(named(forged.__name__, "SentPoint"), 0)),
        again(0) + again(1) + b"N\x86" + NEWOBJ, b"N",
    ),
}  # fmt: skip


SEVERAL = 20_000
EMPTY_ONES: dict[str, bytes] = {
    "empty sets": b"(" + b"\x8f" * SEVERAL + b"t",
    "empty lists, noted": b"(" + b"]\x94" * 4 * SEVERAL + b"t",
    "empty tables": b"(" + b"}" * 8 * SEVERAL + b"t",
    "frozen sets": b"(" + b"(\x91" * 2 * SEVERAL + b"t",
    "one object, noted again and again": b"N" + b"\x94" * 3 * SEVERAL,
    "one object, kept in many places": (
        b"N" + b"".join(b"r" + number.to_bytes(4, "little") for number in range(SEVERAL))
    ),
    "deques": type_kept("collections", "deque") + b"(" + (again(0) + b")\x81") * SEVERAL + b"t",
    "ordered tables": (
        type_kept("collections", "OrderedDict") + b"(" + (again(0) + b")R") * SEVERAL + b"t"
    ),
    "counters": type_kept("collections", "Counter") + b"(" + (again(0) + b")R") * SEVERAL + b"t",
    "tables with defaults": (
        type_kept("collections", "defaultdict") + b"(" + (again(0) + b")\x81") * SEVERAL + b"t"
    ),
    "streams": type_kept("_io", "StringIO") + b"(" + (again(0) + b")R") * SEVERAL + b"t",
    "sets of one text": (
        type_kept("builtins", "set") + unseen(kept(b"](" + b"NN" * 30 + b"e", 1))
        + b"(" + (again(0) + again(1) + b"\x85R") * SEVERAL + b"t"
    ),
}  # fmt: skip
"""Objects of a few bytes each, which take as many hundreds of bytes."""
REFUSED = (
    "empty sets", "empty lists, noted", "frozen sets", "one object, noted again and again",
    "deques", "sets of one text",
)  # fmt: skip
"""Those that take more than honest results of their length do."""

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
    "bytes by a number": (
        named(forged.__name__, "SentBytes") + tuple_of(b"J\xff\xff\xff\x7f") + NEWOBJ
    ),
    "marks": b"(" * 20_000,
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

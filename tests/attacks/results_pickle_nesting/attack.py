"""Pickles that are nested deeply, or hold the same again and again."""

from tests.attacks.student import Student

DEPTH = 100_000


def record(value: bytes) -> bytes:
    """A whole record."""
    return b"\x80\x05\x8c\x06result" + value + b"\x86."


def doubled(times: int, start: bytes, pair: bytes) -> bytes:
    """Something that holds twice what holds twice, and so on; each is read from the memo."""
    steps = (b"h%b" % bytes([number]) + b"h%b" % bytes([number]) + pair for number in range(times))
    return start + b"\x940" + b"".join(step + b"\x940" for step in steps) + b"h%b" % bytes([times])


KEY = b"}" + b"%b" + b"Ns"
PICKLES = {
    "tuples in tuples": record(b")" + b"\x85" * DEPTH),
    "tuples in tuples, for a key": record(KEY % (b")" + b"\x85" * DEPTH)),
    "tuples in tuples, in a set": record(b"\x8f(" + b")" + b"\x85" * DEPTH + b"\x90"),
    "lists in lists": record(b"]" * DEPTH + b"a" * (DEPTH - 1)),
    "sets in sets": record(b"(" * DEPTH + b"\x91" * DEPTH),
    "exceptions in exceptions": record(
        (b"cbuiltins\nValueError\n" * 2000) + b")R" + b"\x85R" * 1999
    ),
    "twice what is twice, for a key": record(KEY % doubled(60, b")", b"\x86")),
    "twice what is twice": record(doubled(60, b"]", b"\x86")),
    "itself": record(b"]\x94h\x00a"),
    "itself, for a key": record(b"]\x94h\x00\x85\x94a0}h\x01Ns"),
    "marks without end": b"\x80\x05" + b"(" * 200_000 + b".",
}


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected."""
    return student.not_loaded(PICKLES)

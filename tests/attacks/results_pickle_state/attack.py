"""Pickles that set attributes."""

from tests.attacks.student import Student


def text(value: str) -> bytes:
    """Push a text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def table(**items: bytes) -> bytes:
    """Push a dictionary."""
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def record(value: bytes, kind: str = "result") -> bytes:
    """A whole record."""
    return b"\x80\x05" + text(kind) + value + b"\x86."


RESULT = text("cfiddle.Runner") + text("InvocationResult") + b"\x93"
EMPTY = RESULT + b")\x81"
KNOWN = b"K\x00Q"
HELD = table(return_value=b"K\x07")
PICKLES = {
    "the invocation's attributes": record(KNOWN + table(parameters=b"N") + b"b"),
    "the invocation's attributes, as slots": record(KNOWN + b"N" + HELD + b"\x86b"),
    "the invocation's items": record(KNOWN + text("a") + b"K\x01s"),
    "the invocation, after it was put into the memo": record(KNOWN + b"\x94" + HELD + b"b0h\x00"),
    "a class's attributes": record(RESULT + table(__init__=b"N") + b"b"),
    "a class's attributes, as slots": record(RESULT + b"N" + table(__init__=b"N") + b"\x86b"),
    "a way to take a state": record(EMPTY + table(__setstate__=RESULT) + b"b" + HELD + b"b"),
    "a state that is no table": record(EMPTY + text("ab") + b"b"),
    "appending to what is no list": record(EMPTY + table(append=RESULT) + b"b(K\x01e"),
    "a record that is no tuple": b"\x80\x05" + EMPTY + b".",
    "a result of nobody's": record(EMPTY + table(invocation=EMPTY, results=b"]") + b"b"),
}


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected."""
    return student.not_loaded(PICKLES)

"""Pickles that name what they must not have, in ways that look harmless."""

from tests.attacks.student import Student

COMMAND = b"S'touch executed'\n"
CALLED = b"(" + COMMAND + b"tR"


def record(value: bytes) -> bytes:
    """A whole record, in pickle's first format, which is text."""
    return b"(S'result'\n" + value + b"t."


PICKLES = {
    "a dotted name": record(b"\x8c\x0ecfiddle.Runner\x8c\x09os.system\x93" + CALLED),
    "a dotted name in text": record(b"ccfiddle.Runner\nos.system\n" + CALLED),
    "a method's globals": record(
        b"ccfiddle.Runner\nInvocationResult.__init__.__globals__\n" + CALLED
    ),
    "a builtin by its name of old": record(b"c__builtin__\neval\n" + CALLED),
    "attribute access": record(b"c__builtin__\ngetattr\n(cos\npath\nS'os'\ntR"),
    "an extension code": record(b"\x82\x01" + CALLED),
    "a long extension code": record(b"\x84\x01\x00\x00\x00" + CALLED),
    "a function of this package": record(b"ccfiddle_slurm.process\nrun\n" + CALLED),
    "the attack's own function": record(b"cattack\nexecute\n" + CALLED),
    "a module that is imported for it": record(b"cantigravity\nfly\n" + CALLED),
    "the end of the program": record(b"c__builtin__\nSystemExit\n" + CALLED),
}


def execute(command: str) -> None:
    """What the notebook has, and the results must not call."""
    __import__("os").system(command)


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected."""
    return student.not_loaded(PICKLES, "(refers to|names a class)")

"""Records of a call that abuse the classes which such may hold; also in the sandbox."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student

ROOM = 6 << 30
"""More than this the notebook does not get, so that nobody else suffers should it want it."""
MUCH_KIB = 1 << 20


def text(value: str) -> bytes:
    """Push a text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def made(module: str, name: str, *arguments: bytes) -> bytes:
    """Push an object of a class, as its constructor makes it."""
    return text(module) + text(name) + b"\x93(" + b"".join(arguments) + b"tR"


def whole(value: int) -> bytes:
    """Push a number."""
    raw = value.to_bytes(16, "little")
    return b"\x8a" + bytes([len(raw)]) + raw


def record(value: bytes) -> bytes:
    """A whole record."""
    return b"\x80\x05" + text("value") + value + b"\x86."


MANY = whole(10**10)
RANGE = made("builtins", "range", MANY)
RECORDS = {
    "a list of a range": record(made("builtins", "list", RANGE)),
    "a set of a range": record(made("builtins", "frozenset", RANGE)),
    "a queue of a range": record(made("collections", "deque", RANGE)),
    "an array of a number": record(made("builtins", "bytearray", MANY)),
    "a fraction of a large number": record(made("fractions", "Fraction", text("1e9999999999"))),
    "a text of itself in itself": record(made("builtins", "str", b"]\x94h\x00h\x00h\x00\x87a")),
    "a stream of a number": record(made("_io", "BytesIO", MANY)),
    "a path of an object": record(made("pathlib", "PosixPath", RANGE)),
    "a number of an object": record(made("builtins", "int", RANGE)),
    "a table of a range": record(made("collections", "Counter", RANGE)),
}


class Inside:
    """What is called in the sandbox."""

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """Where a bomb ends this process only."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def attack(student: Student) -> list[str]:
    """The records that were not rejected, or took much memory until they were."""
    wrong = []
    with little_room():
        for what, forged in RECORDS.items():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            said = student.delegated(Inside(), "forge", forged)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(f"{what}: {said[:200]}; {grown >> 10} MiB more")
            if not said.startswith("ResultRejected") or grown > MUCH_KIB:
                wrong.append(f"{what}: {said}; {grown >> 10} MiB more")
    return wrong

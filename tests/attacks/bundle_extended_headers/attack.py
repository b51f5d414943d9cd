"""Bundles whose members have headers before their headers."""

import tarfile

from tests.attacks.student import Student, member

MUCH, SOME = 64 << 20, 4 << 20


def extended(content: bytes, kind: bytes = tarfile.XHDTYPE, size: int | None = None) -> bytes:
    """An empty file after an extended header."""
    return member("a", content, kind=kind, size=size) + member("files/a")


def record(keyword: bytes, value: bytes) -> bytes:
    """One line of an extended header, which begins with its own length."""
    length = len(keyword) + len(value) + 3
    length += len(str(length + len(str(length))))
    return b"%d %b=%b\n" % (length, keyword, value)


MEMBERS = {
    "one long record": extended(record(b"comment", b"x" * MUCH)),
    "many short records": extended(b"".join(record(b"%d" % n, b"") for n in range(300_000))),
    "a long header for all": extended(record(b"comment", b"x" * SOME), tarfile.XGLTYPE),
    "a long name": extended(b"x" * SOME, tarfile.GNUTYPE_LONGNAME),
    "5000 long names in a row": member("a", b"b", kind=tarfile.GNUTYPE_LONGNAME) * 5000,
    "a size below zero": extended(record(b"size", b"-512")),
    "a size of many digits": extended(record(b"size", b"9" * 6000)),
    "a length that is a lie": extended(b"999999999 path=files/b\n"),
    "a header of 10 GiB": extended(b"x", size=10 << 30),
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {what: student.pack(good, one) for what, one in MEMBERS.items()}
    return student.not_refused(ways)

"""Bundles with symbolic and hard links."""

import tarfile

from tests.attacks.student import Student, member


def symbolic(name: str, target: str) -> bytes:
    """A symbolic link."""
    return member(name, kind=tarfile.SYMTYPE, link=target)


def hard(name: str, target: str) -> bytes:
    """A hard link."""
    return member(name, kind=tarfile.LNKTYPE, link=target)


WAYS = {
    "a file through a link to /etc": (symbolic("files/a", "/etc"), member("files/a/b", b"x")),
    "a file through a link upwards": (symbolic("files/a", "../.."), member("files/a/b", b"x")),
    "a file in place of a link": (symbolic("files/a", "/tmp/a"), member("files/a", b"x")),
    "a link to a file outside": (symbolic("files/a", "/etc/shadow"),),
    "a link in place of the results": (symbolic("results", "/tmp"),),
    "a link in place of the files": (symbolic("files", "/"),),
    "a hard link to a file outside": (hard("files/a", "/etc/passwd"),),
    "a hard link to a file inside": (hard("files/a", "runner.pickle"),),
    "a hard link to a link": (symbolic("a", "/etc/passwd"), hard("files/a", "a")),
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {what: student.pack(good, *members) for what, members in WAYS.items()}
    return student.not_refused(ways, sentence="is not a plain file")

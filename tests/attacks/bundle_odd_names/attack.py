"""Bundles whose members have names that no file, no terminal or no log can take."""

from tests.attacks.student import Student, member

NAMES = {
    "a line break": "files/a\nb",
    "a terminal's commands": "files/\x1b]0;title\x07\x1b[2J",
    "a terminal's commands in one byte": "files/\x9b2J",
    "a carriage return": "files/secret\rharmless",
    "5000 characters": "files/" + "a" * 5000,
    "one part of 300 bytes": "files/" + "a" * 300,
    "one part of 300 bytes in 100 characters": "files/" + "\u2603" * 100,
    "1000 folders": "files/" + "a/" * 1000 + "a",
    "a folder for each of 20000 characters": "files/" + "a/" * 10000 + "a",
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {what: student.pack(good, member(name, b"x")) for what, name in NAMES.items()}
    return student.not_refused(ways)

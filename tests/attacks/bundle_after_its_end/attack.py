"""Bundles with something behind their end, while which an experiment of many seconds may run."""

from tests.attacks.student import Student

SECONDS, LIMIT = 4, 2
MUCH = 16 << 20


def attack(student: Student) -> list[str]:
    """What went wrong."""
    bundle = student.pack({**student.good_bundle(), "files/seconds": b"%d" % SECONDS})
    wrong = student.not_refused(
        {"an end, and more": bundle + b"x" * MUCH, "an end, and a bundle": bundle * (MUCH >> 14)},
        wall_seconds=LIMIT,
    )
    empty = bundle + bytes(MUCH)
    return wrong + student.not_refused(
        {"an end, and nothing for long": empty}, "wall_time", wall_seconds=LIMIT
    )

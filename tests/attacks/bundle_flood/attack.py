"""Bundles of few files and very many folders."""

from tests.attacks.student import Student, member

FILES, DEPTH = 420, 250


def attack(student: Student) -> list[str]:
    """The bundles that were taken."""
    good = student.good_bundle()
    deep = [member(f"files/{number}/{'a/' * DEPTH}a") for number in range(FILES)]
    return student.not_refused({"all": student.pack(good, *deep)}, "scratch", "guest_error")

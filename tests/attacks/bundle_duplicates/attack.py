"""Bundles in which two members want the same place, or one wants the guest's."""

from tests.attacks.student import Student, member

WAYS = {
    "a second manifest": ("manifest.json",),
    "a second manifest, spelled otherwise": ("./manifest.json",),
    "a second runner": ("runner.pickle",),
    "one file, three spellings": ("files/a", "files//a", "files/./a"),
    "a folder over a file": ("files/a", "files/a/b"),
    "a file over a folder": ("files/a/b", "files/a"),
    "a file in place of the working directory": ("files",),
    "a file in place of the results": ("results",),
    "a folder in place of the guest's plan": ("plan-0.json/a",),
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {
        what: student.pack(good, *(member(name, b"{}") for name in names))
        for what, names in WAYS.items()
    }
    return student.not_refused(ways)

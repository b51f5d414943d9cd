"""Bundles whose manifest asks for files that are none of the run's."""

import json

from tests.attacks.student import Student

OUTSIDE = ["/etc/*", "../../*", "**/../../../etc/passwd", "", "a\nb"]
FILES = {f"files/{number}": b"" for number in range(3000)}
DEEP = {"files/" + "a/" * 200 + "a": b"x"}
LONG = {"files/" + "a" * 250: b"x"}


def attack(student: Student) -> list[str]:
    """The bundles that were not bounded."""
    good = student.good_bundle()
    manifest = json.loads(good["manifest.json"])

    def asking(globs: list[str], files: dict[str, bytes]) -> bytes:
        asked = json.dumps({**manifest, "outputs": globs}).encode()
        return student.pack({**good, "manifest.json": asked, **files})

    outside = {glob: asking([glob], FILES) for glob in OUTSIDE}
    wrong = student.not_refused(outside, sentence="stay inside its folder|control character")
    endless = {"a million globs": asking([f"x{number}*" for number in range(1_000_000)], FILES)}
    wrong += student.not_refused(endless, "wall_time", wall_seconds=1)
    harmless = {
        "as many ways as folders": asking(["**/" * 60 + "b"], DEEP),
        "stars in a row": asking(["*a" * 100 + "b"], LONG),
        "brackets without end": asking(["[" * 2000, "[!", "[]", "[a-\u2603"], LONG),
    }
    return wrong + student.not_refused(harmless, "exited", wall_seconds=5)

"""Bundles that are compressed."""

import bz2
import gzip
import lzma

from tests.attacks.student import Student

SIZE = 100 << 20


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    large = student.pack({**good, "files/a": bytes(SIZE)})
    ways = {
        "gzip": gzip.compress(large, 1),
        "gzip twice": gzip.compress(gzip.compress(large, 1)),
        "bzip2": bz2.compress(large, 1),
        "xz": lzma.compress(large, preset=0),
        "gzip, small": gzip.compress(student.pack(good)),
    }
    return student.not_refused(ways, sentence="is not a whole tar archive")

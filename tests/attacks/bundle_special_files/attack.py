"""Bundles with members that are no plain files."""

import tarfile

from tests.attacks.student import Student, member

KINDS = {
    "a character device": tarfile.CHRTYPE,
    "a block device": tarfile.BLKTYPE,
    "a FIFO": tarfile.FIFOTYPE,
    "a folder": tarfile.DIRTYPE,
    "a contiguous file": tarfile.CONTTYPE,
    "a volume's label": b"V",
    "a continued file": b"M",
    "a kind that does not exist": b"Z",
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {what: student.pack(good, member("files/a", kind=kind)) for what, kind in KINDS.items()}
    ways["a folder for its manifest"] = student.pack(
        {}, member("manifest.json", kind=tarfile.DIRTYPE)
    )
    return student.not_refused(ways, sentence="is not a plain file")

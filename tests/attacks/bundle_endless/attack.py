"""Bundles that do not end as long as somebody reads them."""

from pathlib import Path

from tests.attacks.student import END_OF_ARCHIVE, Student, member

TERABYTE = 1 << 40
SMALL = 64 << 20


def directory(student: Student, head: bytes, **request: object) -> Path:
    """A job directory whose bundle begins with some bytes, and goes on with zeros."""
    folder = student.job_directory(head, **request)
    with (folder / "bundle.tar").open("r+b") as stream:
        stream.truncate(TERABYTE)
    return folder


def attack(student: Student) -> list[str]:
    """The bundles that were taken."""
    good = student.pack(student.good_bundle())
    begun = good[: -len(END_OF_ARCHIVE)]
    bounds = ("guest_error", "refused", "scratch")
    wrong = student.not_refused(
        {
            "a file": directory(student, begun + member("files/a", size=TERABYTE)),
            "a file for which there may be room": directory(
                student, begun + member("files/a", size=32 << 30), memory_bytes=SMALL
            ),
            "an archive that has ended": directory(student, good),
        },
        *bounds,
    )
    for device in ("/dev/zero", "/dev/urandom"):
        folder = student.job_directory(None)
        (folder / "bundle.tar").symlink_to(device)
        wrong += student.not_refused({device: folder}, *bounds)
    return wrong

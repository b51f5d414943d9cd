"""Bundles of which a part is missing or wrong."""

import random

from tests.attacks.student import END_OF_ARCHIVE, Student


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    whole = student.pack(student.good_bundle())
    damaged = bytearray(whole)
    damaged[700:720] = b"\xff" * 20
    header = bytearray(whole)
    header[10] ^= 1
    ways = {
        "no byte": b"",
        "half a header": whole[:300],
        "a header": whole[:512],
        "half of it": whole[: len(whole) // 2],
        "all but its end": whole[: -len(END_OF_ARCHIVE)],
        "only an end": END_OF_ARCHIVE,
        "a damaged manifest": bytes(damaged),
        "a damaged header": bytes(header),
        "anything": random.Random(1).randbytes(100_000),
        "frames of the protocol": b"S\x00\x00\x00\x02{}" * 1000,
    }
    wrong = student.not_refused(ways)
    nothing = {"no bundle": student.job_directory(None)}
    return wrong + student.not_refused(nothing, "unavailable", sentence=r"holds no bundle\.tar")

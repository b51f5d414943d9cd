"""Records of a few megabytes that would be gigabytes of memory."""

import resource

from tests.attacks.student import Student

MOST = 640 << 20
SETS = 6_000_000
PICKLES = {
    "empty sets": b"\x80\x05\x8c\x06result(" + b"\x8f" * SETS + b"t\x86.",
    "empty lists that are noted": b"\x80\x05\x8c\x06result(" + b"]\x94" * SETS + b"t\x86.",
    "one object, noted again and again": b"\x80\x05\x8c\x06resultN" + b"\x94" * SETS + b"\x86.",
    "marks": b"\x80\x05\x8c\x06result" + b"(" * SETS,
}


def attack(student: Student) -> list[str]:
    """Those that were not rejected, or took the memory all the same."""
    wrong = student.not_loaded(PICKLES, "(out of all proportion|nested too deeply)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"at the most {peak >> 20} MiB")
    return wrong + ([f"{peak} bytes"] if peak > MOST else [])

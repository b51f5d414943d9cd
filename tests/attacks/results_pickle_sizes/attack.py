"""Pickles whose lengths and numbers are lies."""

import pickle

from tests.attacks.student import Student

WHOLE = pickle.dumps(("value", [1] * 1000), protocol=5)
MANY = b"\xff\xff\xff\x7f"
HUGE = b"\xff" * 7 + b"\x7f"
PICKLES = {
    "a frame longer than all": b"\x80\x05\x95" + HUGE + b"N.",
    "a frame that ends inside": b"\x80\x05\x95\x02" + b"\0" * 7 + b"\x8c\x05value.",
    "data out of band": b"\x80\x05\x97\x98.",
    "bytes of 8 EiB": b"\x80\x05\x8e" + HUGE + b"N.",
    "an array of 8 EiB": b"\x80\x05\x96" + HUGE + b"N.",
    "a number of 2 GiB": b"\x80\x05\x8b" + MANY + b"N.",
    "a number of less than nothing": b"\x80\x05\x8b\xff\xff\xff\xffN.",
    "a number of 100,000 digits": b"L" + b"9" * 100_000 + b"L\n.",
    "a reference to nothing": b"\x80\x05j" + MANY + b".",
    "an invocation that does not exist": b"\x80\x05J" + MANY + b"Q.",
    "an invocation of a name": b"P0\n.",
    "a record that breaks off": WHOLE[:-100],
    "more after its end": WHOLE + b"\xfe" * 10,
}


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected."""
    return student.not_loaded(PICKLES)

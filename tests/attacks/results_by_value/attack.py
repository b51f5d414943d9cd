"""Pickles that refer to what travelled by value: a class and functions of the notebook's own."""

import sys
from pathlib import Path

from cfiddle.Runner import Runner

from tests.attacks.student import Student

MOST = 8
"""More than what travels by value with the runner below; its number among these is not known."""


def record(value: bytes) -> bytes:
    """A whole record."""
    return b"\x80\x05\x8c\x06result" + value + b"\x86."


def pickles() -> dict[str, bytes]:
    """By what each tries with the object that has a number."""
    found: dict[str, bytes] = {}
    for number in range(1, MOST + 1):
        referred = b"K" + bytes([number]) + b"Q"
        found |= {
            f"call {number}": record(referred + b"(tR"),
            f"call {number} with an argument": record(referred + b"K\x01\x85R"),
            f"make one of {number}": record(referred + b"K\x01\x85\x81"),
            f"attributes of {number}": record(referred + b"}(\x8c\x04evilK\x01ub"),
            f"attributes of {number} as slots": record(referred + b"N}(\x8c\x04evilK\x01u\x86b"),
            f"items of {number}": record(referred + b"\x8c\x01aK\x01s"),
        }
    return found


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected, and what they changed here."""

    def touch(*_: object) -> None:
        Path("executed").touch()

    class Own(Runner):  # type: ignore[misc]
        touch_it = staticmethod(touch)

        def __init__(self, *arguments: object, **named: object) -> None:
            if arguments == (1,):
                touch()
            super().__init__(*arguments, **named)

        def _delegated_run(self) -> object:
            return super()._delegated_run()

    # As if a cell had defined it: CFiddle itself pickles it by its name.
    Own.__module__, Own.__qualname__ = "__main__", "Own"
    vars(sys.modules["__main__"])["Own"] = Own
    found = student.not_taken(pickles(), runner=Own)
    return found + [f"{one} was changed" for one in (Own, touch) if hasattr(one, "evil")]

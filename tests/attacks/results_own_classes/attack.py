"""Records that use the caller's own classes against it; this module is in the sandbox, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student

ran: list[str] = []


class Gadget:
    """An honest class of the caller's, each of whose methods would do harm when called."""

    def __new__(cls, *arguments: Any, **named: Any) -> Gadget:
        if arguments or named:
            ran.append("__new__")
        return super().__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        if arguments:
            ran.append("__init__")

    def __call__(self, *_: Any) -> None:
        ran.append("__call__")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        ran.append("__getattr__")

    def append(self, _: Any) -> None:
        """A method of a list's."""
        ran.append("append")

    extend = update = add = append

    def __setitem__(self, *_: Any) -> None:
        ran.append("__setitem__")

    @classmethod
    def build(cls, *_: Any) -> None:
        """What can be called by a dotted name."""
        ran.append("build")


def function(*_: Any) -> None:
    """A function of the caller's."""
    ran.append("function")


def text(value: str) -> bytes:
    """Push a text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(name: str, module: str = "attack") -> bytes:
    """Push what a module calls by a name."""
    return text(module) + text(name) + b"\x93"


def record(value: bytes) -> bytes:
    """A whole record."""
    return b"\x80\x05" + text("value") + value + b"\x86."


COMMAND = text("touch executed") + b"\x85"
EMPTY = named("Gadget") + b")\x81"
RECORDS = {
    "its constructor": record(named("Gadget") + COMMAND + b"R"),
    "its maker": record(named("Gadget") + COMMAND + b"\x81"),
    "its maker, by names": record(named("Gadget") + b")}" + text("a") + b"Ns\x92"),
    "the object": record(EMPTY + COMMAND + b"R"),
    "its method by a dotted name": record(named("Gadget.build") + COMMAND + b"R"),
    "a function that was sent, too": record(named("function") + COMMAND + b"R"),
    "its methods as a list's": record(EMPTY + b"(K\x01K\x02e"),
    "its methods as a set's": record(EMPTY + b"(K\x01\x90"),
    "its methods as a table's": record(EMPTY + b"K\x01K\x02s"),
    "a function as a factory": record(
        named("defaultdict", "collections") + named("function") + b"\x85R"
    ),
    "what was called": record(b"K\x00Q}" + text("held") + b"K\x01sb"),
}


class Inside:
    """What is called in the sandbox."""

    def __init__(self) -> None:
        self.held = [Gadget(), function]

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)


def attack(student: Student) -> list[str]:
    """What ran."""
    wrong = []
    for what, forged in RECORDS.items():
        said = student.delegated(Inside(), "forge", forged)
        print(f"{what}: {said[:200]}; {ran}")
        if not said.startswith("ResultRejected") or ran:
            wrong.append(f"{what}: {said}; {ran}")
        ran.clear()
    return wrong

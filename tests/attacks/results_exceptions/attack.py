"""Exceptions that nobody honest would raise; this module is in the sandbox, too."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student


class Calls(Exception):
    """One that is read by calling a program."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


class Silent(Exception):
    """One that cannot be shown."""

    def __str__(self) -> str:
        raise self

    __repr__ = __str__


def nested() -> BaseException:
    """Groups in groups."""
    error: BaseException = ValueError("inside")
    for _ in range(300):
        error = vars(builtins)["ExceptionGroup"]("group", [error])  # from Python 3.11 on
    return error


def made(name: str, module: str, text: str = "text") -> BaseException:
    """One whose class is nowhere else."""
    error: BaseException = type(name, (Exception,), {"__module__": module})(text)
    return error


WAYS: dict[str, tuple[Callable[[], BaseException], str]] = {
    # It is not read by its own way, so it comes home as one of its class.
    "a call": (Calls, "Calls"),
    "no text": (Silent, "Exited|RemoteError"),
    "a long text": (lambda: made("Long", "none", "x" * 50_000_000), "RemoteError"),
    "groups in groups": (nested, "RemoteError|ExceptionGroup"),
    "a class made there": (lambda: made("Made", "none"), "RemoteError"),
    "a class with another's name": (lambda: made("SystemExit", "builtins"), "RemoteError"),
    "markup for a name": (lambda: made("<script>", "<b>"), "RemoteError"),
    "the end of the program": (SystemExit, "Exited"),
    "an interrupt": (KeyboardInterrupt, "Crashed|Exited"),
}


class Inside:
    """What is called in the sandbox."""

    def fail(self, what: str) -> None:
        """Raise one of them."""
        make, _ = WAYS[what]
        raise make()


def attack(student: Student) -> list[str]:
    """Those that did not come as they must."""
    wrong = []
    for what, (_, fine) in WAYS.items():
        said = student.delegated(Inside(), "fail", what)
        print(f"{what}: {said[:200]}")
        if said.partition(":")[0] not in fine.split("|") or len(said) > 100_000:
            wrong.append(f"{what}: {said[:1000]}")
        if Path("executed").exists():
            wrong.append(f"{what}: it was executed")
    return wrong

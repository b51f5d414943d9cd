"""Records of exceptions that were never raised; this module is in the sandbox, too."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student


class Calls:
    """Is read by calling something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


COMMAND = "touch executed"
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
TOLD = "RemoteError: The experiment raised Forged: text"
REJECTED = "ResultRejected: "
FORMS: dict[str, tuple[Any, str]] = {
    "an end of the program": (("builtins", "SystemExit", (0,), {}), TOLD),
    "an interrupt": (("builtins", "KeyboardInterrupt", (), {}), TOLD),
    "an end that was asked for": (("builtins", "GeneratorExit", (), {}), TOLD),
    "a group": (("builtins", "ExceptionGroup", ("group", [1]), {}), TOLD),
    "no exception": (("builtins", "list", (), {}), TOLD),
    "a function": (("os", "system", (COMMAND,), {}), TOLD),
    "a class of nobody's": (("no.such.module", "Error", (), {}), TOLD),
    "an argument in itself": (("builtins", "ValueError", (ENDLESS,), {}), TOLD),
    "a class as an argument": (("builtins", "ValueError", (ValueError,), {}), TOLD),
    "a call": (Calls(os.system, COMMAND), REJECTED),
    "a call in an argument": (
        ("builtins", "ValueError", (Calls(os.system, COMMAND),), {}), REJECTED,
    ),
    "code": (Calls(exec, f"__import__('os').system({COMMAND!r})"), REJECTED),
    "an exception, pickled": (pickle.dumps(ValueError(1)), REJECTED),
    "an exception itself": (ValueError(1), REJECTED),
    "no form": ([1, 2, 3], REJECTED),
}  # fmt: skip


class Inside:
    """What is called in the sandbox."""

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)


def attack(student: Student) -> list[str]:
    """Those that were neither told as a text of the sandbox's nor rejected."""
    wrong = []
    for what, (form, expected) in FORMS.items():
        record = pickle.dumps(("raised", "builtins.Forged", "text", "trace", form), protocol=5)
        said = student.delegated(Inside(), "forge", record)
        print(f"{what}: {said[:200]}")
        if not said.startswith(expected):
            wrong.append(f"{what}: {said[:1000]}")
        if Path("executed").exists():
            wrong.append(f"{what}: it was executed")
    return wrong

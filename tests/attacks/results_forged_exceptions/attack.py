"""Records of exceptions that were never raised; this module is in the sandbox, too."""

from __future__ import annotations

import builtins
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
EXCEPTIONS = {
    "an end of the program": SystemExit(0),
    "an interrupt": KeyboardInterrupt(),
    "an end that was asked for": GeneratorExit(),
    "all of them": vars(builtins)["BaseExceptionGroup"]("group", [SystemExit(0)]),
    "a call": Calls(os.system, COMMAND),
    "a call in an argument": ValueError(Calls(os.system, COMMAND)),
    "code": Calls(exec, f"__import__('os').system({COMMAND!r})"),
    "an exception of CFiddle's, with a call": Calls(getattr, Calls(os.system, COMMAND), "a"),
    "no exception": [1, 2, 3],
}


class Inside:
    """What is called in the sandbox."""

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)


def attack(student: Student) -> list[str]:
    """Those that did not come as a text of the sandbox's."""
    wrong = []
    for what, exception in EXCEPTIONS.items():
        pickled = pickle.dumps(exception, protocol=5)
        record = pickle.dumps(("raised", "builtins.Forged", "text", "trace", pickled), protocol=5)
        said = student.delegated(Inside(), "forge", record)
        print(f"{what}: {said[:200]}")
        if not said.startswith("RemoteError: The experiment raised Forged: text"):
            wrong.append(f"{what}: {said[:1000]}")
        if Path("executed").exists():
            wrong.append(f"{what}: it was executed")
    return wrong

"""Return values that the notebook cannot know; this module is in the sandbox, too."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student

PLANTED = "from pathlib import Path\nPath('executed').touch()\nclass Thing: pass\n"


class Calls:
    """Is read by calling a program."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


class Known:
    """Is known on both sides: its module was sent. What is made of it there runs nothing here."""

    def __init__(self) -> None:
        Path("executed").touch()


class Ends:
    """Known, too, and runs code of its own when it goes away."""

    def __del__(self) -> None:
        Path("executed").touch()


class Obeys:
    """Known, too, and runs code of its own when it is filled."""

    def __init__(self) -> None:
        self.held = 1

    def __setstate__(self, state: object) -> None:
        Path("executed").touch()


class Inside:
    """What is called in the sandbox."""

    held: Any = None

    def calls(self) -> object:
        """A call."""
        return Calls()

    def calls_inside(self) -> object:
        """A call deep inside."""
        return {"a": [1, (2, {3: Calls()})]}

    def made(self) -> object:
        """Of a class that was made there."""
        return type("Made", (), {})()

    def planted(self) -> object:
        """Of a module that is in the sandbox; the notebook's folder has another of its name."""
        Path("/work/modules/planted.py").write_text("class Thing: pass\n")
        importlib.invalidate_caches()
        return importlib.import_module("planted").Thing()

    def known(self) -> object:
        """Of a class of this module, which the call did not name."""
        return Known()

    def ends(self) -> object:
        """Of another, with an end of its own."""
        return Ends()

    def obeys(self) -> object:
        """Of another, with a way of its own to be filled."""
        return Obeys()

    def function(self) -> object:
        """A function that the notebook has."""
        return os.system

    def module(self) -> object:
        """A module."""
        return sys

    def as_attribute(self) -> None:
        """A call that comes as the object's new state."""
        self.held = Calls()


WAYS = {
    "calls": "ResultRejected",
    "calls_inside": "ResultRejected",
    "made": "ResultRejected|RemoteError|PicklingError|AttributeError",
    "planted": "ResultRejected",
    "known": "taken",
    "ends": "ResultRejected",
    "obeys": "ResultRejected",
    "function": "ResultRejected",
    "module": "TypeError|RemoteError",
    "as_attribute": "ResultRejected",
}


def attack(student: Student) -> list[str]:
    """Those that were taken."""
    Path("planted.py").write_text(PLANTED)
    sys.path.insert(0, os.getcwd())
    wrong = []
    for method, fine in WAYS.items():
        said = student.delegated(Inside(), method)
        print(f"{method}: {said[:200]}")
        if said.partition(":")[0] not in fine.split("|"):
            wrong.append(f"{method}: {said[:1000]}")
        if Path("executed").exists():
            wrong.append(f"{method}: it was executed")
            Path("executed").unlink()
    return wrong

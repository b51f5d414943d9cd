"""Records of a new state that no call left; this module is in the sandbox, too."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student


class Calls:
    """Is read by calling a program."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


class Inside:
    """What is called in the sandbox."""

    kept = "kept"

    def __init__(self) -> None:
        self.mine = "mine"

    @property
    def guarded(self) -> str:
        """Something that cannot be set."""
        return "guarded"

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)


STATES: dict[str, tuple[Any, Any]] = {
    "a call": ({"a": Calls()}, []),
    "names that are none": ({5: "a"}, []),
    "names to be removed that are none": ({}, [["mine"]]),
    "no table": (["a"], []),
    "a table of another kind": (b"a", []),
    **{
        name: ({name: "data"}, [])
        for name in (
            "__class__", "__dict__", "__reduce__", "__getattribute__", "__del__", "_repr_html_",
            "_ipython_display_", "__array_interface__",
        )
    },
    "a name of every object's to be removed": ({}, ["__class__"]),
}  # fmt: skip
DATA: dict[str, Any] = {"guarded": "data", "kept": "data"}


def attack(student: Student) -> list[str]:
    """What was not rejected, or changed more than the object's own attributes."""
    wrong = []
    for what, (state, removed) in STATES.items():
        said = student.delegated(Inside(), "forge", record(state, removed))
        print(f"{what}: {said[:200]}")
        if not said.startswith("ResultRejected") or Path("executed").exists():
            wrong.append(f"{what}: {said}")
    target = Inside()
    said = student.delegated(target, "forge", record(DATA, ["mine", "none", "forge"]))
    print(f"names of every object's: {said}, {vars(target)}")
    untouched = type(target) is Inside and target.guarded == "guarded" and Inside.kept == "kept"
    if not untouched or set(vars(target)) - set(DATA) or not callable(target.forge):
        wrong.append(f"names of every object's: {said}, {vars(target)}")
    return wrong


def record(state: Any, removed: Any) -> bytes:
    """The record of a state, and of a value after it."""
    return pickle.dumps(("state", state, removed), 5) + pickle.dumps(("value", 1), 5)

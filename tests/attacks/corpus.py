"""The attacks of this folder, how one is carried out, and whether it ended as it must."""

import io
import json
import re
import shlex
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm.process import Completed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
HELPERS = ("caller.py", "driver.py", "floods.py", "sources.py", "student.py", "ways.hpp")
"""What travels with an attack."""
ATTACKS = sorted(path.parent for path in HERE.glob("*/attack.toml"))
GROUPS = ("resources", "escape", "network", "bundle", "results", "queue", "daemon", "faking")
NOTHING: dict[str, Any] = {"experiment": 0, "call": [], "notebook": []}
"""What an attack returns that reached nothing, by the door through which it came."""
SECONDS = 240.0
_MARK = "VERDICT "
_IN_A_FOLDER = """
place=$(mktemp -d "$HOME/attacks.XXXXXX") && cd "$place" && tar -x && {}
status=$?; cd; rm -rf "$place"; exit "$status"
"""
_KEYS = {"tries", "wall", "why_no_wall", "settings", "arguments", "expect", "after"}
_CALLED = re.compile(r"^class Attack\b", re.MULTILINE)
_EXPECT, _AFTER = {"error", "message", "value", "output"}, {"most_jobs"}

Cluster = Callable[..., Completed]
"""Runs a command of ``python -m cfiddle_slurm.cluster``."""


@dataclass(frozen=True)
class Verdict:
    """How an attack ended, and the attacker's ordinary run after it.

    Attributes:
        printed: all that the attack printed.
        began, ended_at: when, in seconds since 1970.
    """

    error: str | None
    message: str
    value: Any
    printed: str
    ordinary: Any
    report: dict[str, Any] | None
    began: float
    ended_at: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_at - self.began

    @property
    def ended(self) -> str:
        """In short."""
        return self.error or f"value {str(self.value)[:60]}"


@dataclass(frozen=True)
class Attack:
    """One folder of the corpus: see README.md there.

    Attributes:
        wall: what stops it, a name of ``walls.WALLS``; empty where no single one does.
    """

    name: str
    folder: Path
    door: str
    tries: str
    wall: str
    why_no_wall: str
    settings: dict[str, Any]
    arguments: dict[str, Any]
    expect: dict[str, Any]
    after: dict[str, Any]

    @property
    def group(self) -> str:
        """What it is about."""
        return self.name.partition("_")[0]

    @classmethod
    def load(cls, name: str) -> "Attack":
        """Read a folder's attack.toml.

        Raises:
            ValueError: it is not what README.md says.
        """
        folder = HERE / name
        plan = tomllib.loads((folder / "attack.toml").read_text())
        door = door_of(folder)
        expect, after = plan.get("expect", {}), plan.get("after", {})
        wall, why_no_wall = plan.get("wall", ""), plan.get("why_no_wall", "")
        if (
            set(plan) - _KEYS
            or set(expect) - _EXPECT
            or set(after) - _AFTER
            or not plan.get("tries")
            or name.partition("_")[0] not in GROUPS
            or bool(wall) == bool(why_no_wall)
        ):
            raise ValueError(f"{name}/attack.toml is not as README.md says.")
        if not {"error", "value"} & set(expect):
            expect = {"value": NOTHING[door], **expect}
        settings, arguments = plan.get("settings", {}), plan.get("arguments", {})
        if door == "experiment" and not arguments:
            arguments = {"n": 1}
        return cls(
            name, folder, door, plan["tries"], wall, why_no_wall, settings, arguments, expect, after
        )

    def faults(self, verdict: Verdict) -> list[str]:
        """What did not end as it must, one sentence each."""
        expect, found = self.expect, []
        wanted = expect.get("error", [None])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if verdict.error not in wanted:
            found.append(f"It ended with {verdict.error}, not {wanted}: {verdict.message}")
        if "message" in expect and not re.search(expect["message"], verdict.message):
            found.append(f"Its message is {verdict.message!r}.")
        if "value" in expect and verdict.error is None and verdict.value != expect["value"]:
            found.append(f"Its value is {verdict.value!r}, not {expect['value']!r}.")
        if "output" in expect and not re.search(expect["output"], verdict.printed):
            found.append(f"What it printed does not match {expect['output']!r}.")
        if verdict.ordinary != 144:
            found.append(f"The next ordinary run gave {verdict.ordinary!r}.")
        return found


def door_of(folder: Path) -> str:
    """How an attack gets in, which its source shows: see README.md.

    Raises:
        ValueError: it has no source.
    """
    if any(folder.glob("attack.c*")):
        return "experiment"
    try:
        text = (folder / "attack.py").read_text()
    except FileNotFoundError:
        raise ValueError(f"{folder.name} has neither attack.cpp nor attack.py.") from None
    return "call" if _CALLED.search(text) else "notebook"


def carry_out(attack: Attack, cluster: Cluster, user: str) -> Verdict:
    """Have a user carry out an attack.

    Raises:
        AssertionError: the attacker's own process did not come to its end.
    """
    plan = {"door": attack.door, "settings": attack.settings, "arguments": attack.arguments}
    drive = shlex.join(
        ["python3", "-W", "ignore", "-m", "tests.attacks.driver",
         f"tests/attacks/{attack.name}", json.dumps(plan)]
    )  # fmt: skip
    done = cluster(
        "run", user, "sh", "-c", _IN_A_FOLDER.format(drive),
        timeout=SECONDS, input=_packed(attack),
    )  # fmt: skip
    return read_verdict(attack, done)


def read_verdict(attack: Attack, done: Completed) -> Verdict:
    """What the driver told.

    Raises:
        AssertionError: the attacker's own process did not come to its end.
    """
    printed, mark, verdict = done.stdout.rpartition(_MARK)
    assert mark and done.status == 0, f"{attack.name}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    found = json.loads(verdict)
    return Verdict(
        error=found["error"],
        message=found["message"],
        value=found["value"],
        printed=f"{printed}\n{done.stderr}",
        ordinary=found["ordinary"],
        report=found["report"],
        began=found["began"],
        ended_at=found["ended"],
    )


def _packed(attack: Attack) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in HELPERS:
            tar.add(HERE / name, f"tests/attacks/{name}")
        tar.add(attack.folder, f"tests/attacks/{attack.name}")
    return data.getvalue()

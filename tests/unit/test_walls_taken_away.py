"""The corpus of attacks, the walls that they name, and how a wall is taken away."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cfiddle_slurm.sandbox.daemon.container_config import (
    Place,
    create_arguments,
    read_seccomp_profile,
)
from cfiddle_slurm.sandbox.policy import Limits, Policy
from tests.attacks import corpus, weak_guest
from tests.attacks.corpus import ATTACKS, GROUPS, Attack
from tests.attacks.walls import MIB, WALLS, Wall, reached
from tests.attacks.weaker import weakened

PROFILE = Path(__file__).parents[2] / "sandbox" / "seccomp.json"
CREATED = create_arguments(
    Policy(), Limits("image", 64 * MIB, 10, 10), Place("0", read_seccomp_profile(PROFILE)), "a", "1"
)


@pytest.mark.parametrize("folder", ATTACKS, ids=lambda folder: folder.name)
def test_every_attack_names_the_wall_that_stops_it_or_says_why_there_is_none(folder: Path) -> None:
    attack = Attack.load(folder.name)
    assert attack.group in GROUPS
    if attack.wall:
        assert attack.wall in WALLS
        assert attack.wall != "none"
    else:
        assert attack.why_no_wall.endswith(".")


def test_every_wall_is_named_by_an_attack() -> None:
    named = {Attack.load(folder.name).wall for folder in ATTACKS}
    assert set(WALLS) - named == {"none"}


GOOD = {
    "attack.cpp": 'extern "C" long attack(long n) { return 0; }',
    "attack.toml": 'tries = "Nothing."\nwall = "clock"\n',
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(corpus, "HERE", tmp_path)
    made = tmp_path / "escape_nothing"
    made.mkdir()
    for name, text in GOOD.items():
        (made / name).write_text(text)
    return made


def test_what_need_not_be_said(folder: Path) -> None:
    found = Attack.load(folder.name)
    assert (found.door, found.group, found.expect) == ("experiment", "escape", {"value": 0})
    assert found.arguments == {"n": 1}
    (folder / "attack.cpp").unlink()
    for source, door in (
        ("class Attack:\n    pass\n", "call"),
        ("def attack(student): ...\n", "notebook"),
    ):
        (folder / "attack.py").write_text(source)
        found = Attack.load(folder.name)
        assert (found.door, found.expect) == (door, {"value": []})


@pytest.mark.parametrize(
    "text",
    [
        'wall = "clock"',
        'tries = "It."',
        'tries = "It."\nwall = "clock"\nwhy_no_wall = "Both."',
        'tries = "It."\nwall = "clock"\ngroup = "escape"',
        'tries = "It."\nwall = "clock"\n[expect]\nerrors = "Exited"',
        'tries = "It."\nwall = "clock"\n[after]\njobs = 1',
    ],
)
def test_what_is_no_attack(folder: Path, text: str) -> None:
    (folder / "attack.toml").write_text(text)
    with pytest.raises(ValueError, match=r"not as README\.md says"):
        Attack.load(folder.name)


def test_an_attack_without_a_source(folder: Path) -> None:
    (folder / "attack.cpp").unlink()
    with pytest.raises(ValueError, match="neither"):
        Attack.load(folder.name)


def options(found: dict[str, Any], name: str) -> list[str]:
    return [one for one in found["HostConfig"]["SecurityOpt"] if one.startswith(name)]


def test_nothing_is_changed_but_the_wall() -> None:
    assert weakened(CREATED, WALLS["none"]) == CREATED
    for wall in WALLS.values():
        found = weakened(CREATED, wall)
        changed = {name for name in found if found[name] != CREATED.get(name)}
        assert changed <= {"Entrypoint", "HostConfig", "NetworkDisabled"}
        host = found["HostConfig"]
        around = wall.host or wall.calls or wall.capabilities or wall.ulimits or wall.scratch
        assert (host != CREATED["HostConfig"]) == bool(around or wall.guest)


def test_system_calls_pass() -> None:
    assert options(weakened(CREATED, WALLS["system calls"]), "seccomp") == ["seccomp=unconfined"]
    (profile,) = options(weakened(CREATED, WALLS["sockets"]), "seccomp")
    rules = [rule for rule in json.loads(profile[8:])["syscalls"] if "socket" in rule["names"]]
    assert rules == [{"names": ["socket", "socketpair"], "action": "SCMP_ACT_ALLOW"}]


def test_limits_and_capabilities_are_others() -> None:
    ulimits = weakened(CREATED, WALLS["open files"])["HostConfig"]["Ulimits"]
    assert {each["Name"]: each["Hard"] for each in ulimits}["nofile"] == 4000
    assert len(ulimits) == len(CREATED["HostConfig"]["Ulimits"])
    scratch = weakened(CREATED, WALLS["scratch files"])["HostConfig"]["Tmpfs"]
    assert all("nr_inodes=0," in text for text in scratch.values())
    found = weakened(CREATED, WALLS["capabilities"])
    assert "SYS_ADMIN" in found["HostConfig"]["CapAdd"]
    assert sum("+sys_admin" in word for word in found["Entrypoint"]) == 3
    assert sum("+perfmon" in word for word in found["Entrypoint"]) == 3


def test_a_weak_guest_takes_the_guests_place() -> None:
    for name, wall in WALLS.items():
        if wall.guest:
            assert wall.guest in weak_guest.WALLS
            found = weakened(CREATED, WALLS[name])
            assert found["Entrypoint"][-3:] == ["-I", "/weak_guest.py", wall.guest]
    assert {wall.guest for wall in WALLS.values() if wall.guest} == set(weak_guest.WALLS)


def test_a_wall_that_is_not_there_any_more_is_told() -> None:
    with pytest.raises(AttributeError):
        weak_guest.replace("json", "no_such_function", None)


TAKE_ALL_AWAY = """
from cfiddle_slurm.sandbox import versions
from tests.attacks import weak_guest
from tests.attacks.walls import WALLS
versions.here
for wall in WALLS.values():
    for take_away in (wall.notebook, wall.sandboxd, weak_guest.WALLS.get(wall.guest)):
        if take_away is not None:
            take_away()
"""


def test_what_is_replaced_is_there() -> None:
    """In a process of its own, whose package is of no use afterwards."""
    words = [sys.executable, "-W", "ignore", "-c", TAKE_ALL_AWAY]
    done = subprocess.run(
        words, cwd=PROFILE.parents[1], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def verdict(seconds: float = 1, peak: int = 0, message: str = "", value: Any = 0) -> Any:
    report = {"memory_peak_bytes": peak}
    return SimpleNamespace(seconds=seconds, report=report, message=message, value=value)


def test_what_counts_as_reached() -> None:
    assert reached(Wall(""), verdict(), ["another value"], None) == "another value"
    assert reached(Wall(""), verdict(), [], None) == ""
    memory = Wall("", memory=16 * MIB)
    assert reached(memory, verdict(peak=70 * MIB), ["another end"], 64 * MIB) == ""
    assert "900 MiB" in reached(memory, verdict(peak=900 * MIB), [], 64 * MIB)
    clock = Wall("", seconds=10)
    assert reached(clock, verdict(seconds=3), ["another end"], None) == ""
    assert "12 s" in reached(clock, verdict(seconds=12), [], None)
    shows = Wall("", shows="700 processes")
    assert reached(shows, verdict(message="256 processes"), ["another"], None) == ""
    assert "700" in reached(shows, verdict(message="all 700 processes"), [], None)
    ways = verdict(value=["one: refused otherwise", "two: all 700 processes"])
    assert reached(shows, ways, ["another value"], None) == "two: all 700 processes"

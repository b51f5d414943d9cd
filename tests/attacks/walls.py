"""The walls that stop attacks, and how each is taken away for ``make test-walls``.

A wall stands around the container (what sandboxd tells the engine), in the policy, in the guest
(what it takes and gives), or in the notebook (what it takes from a run). One at a time is taken
away, and the attacks that name it must reach something then: it was this one that stopped them.
"""

import contextlib
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.attacks.weak_guest import replace

MIB = 1 << 20
_RESULTS = "cfiddle_slurm.results"


@dataclass(frozen=True)
class Wall:
    """One wall.

    Attributes:
        what: what it is, in a few words.
        policy: lines of sandboxd's policy without it.
        settings: the attack's settings without it.
        calls: system calls that the seccomp profile lets pass without it; ``*``: no profile.
        capabilities: what the experiment has without it.
        ulimits: limits of each process without it.
        scratch: options of the tmpfs without it.
        host, container: what the engine is told of the container without it.
        guest: what ``weak_guest`` changes in the guest.
        sandboxd, notebook: takes it away in this process.
        shows: a regex for what is said, or returned, when the attack got further than it may; with
            none, any other end than the expected one shows it.
        memory: whether it shows by more memory than was asked for.
        seconds: whether it shows by so much time.
        hangs: whether the notebook may come to no end without it, which shows it, too.
    """

    what: str
    policy: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    ulimits: Mapping[str, int] = field(default_factory=dict)
    scratch: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    guest: str = ""
    sandboxd: Callable[[], None] | None = None
    notebook: Callable[[], None] | None = None
    shows: str = ""
    memory: int = 0
    seconds: float = 0.0
    hangs: bool = False


def _every_pickle() -> None:
    """Results are unpickled as pickle itself does it."""

    class Trusting(pickle.Unpickler):
        def __init__(self, stream: Any, invocations: Any, extra: Any) -> None:
            super().__init__(stream)
            self._invocations = invocations

        def persistent_load(self, number: Any) -> Any:
            return self._invocations[number]

        def find_exception(self, module: str, name: str) -> Any:
            with contextlib.suppress(Exception):
                return self.find_class(module, name)
            return None

    replace(f"{_RESULTS}.records", "Unpickler", Trusting)


def _any_nesting() -> None:
    replace(f"{_RESULTS}.nesting", "Nesting.made", lambda *_: None)
    replace(f"{_RESULTS}.nesting", "Nesting.filled", lambda *_: None)
    replace(f"{_RESULTS}.unpickling", "is_shown_in_proportion", lambda *_: True)


def _any_exception() -> None:
    """An exception is made by its class, of whatever was sent, and given all attributes."""

    def given(target: Any, state: Any) -> None:
        for name, value in dict(state).items():
            with contextlib.suppress(Exception):
                setattr(target, name, value)

    def made(kind: Any, arguments: Any, attributes: Any = ()) -> Any:
        found = kind(*arguments)
        given(found, attributes)
        return found

    for module in ("records", "unpickling"):
        replace(f"{_RESULTS}.{module}", "plain_exception", made)
    replace(f"{_RESULTS}.records", "can_be_shown", lambda _: True)
    replace(f"{_RESULTS}.unpickling", "give_attributes", given)
    replace(f"{_RESULTS}.unpickling", "exception_class", lambda kind: kind)


def _any_file() -> None:
    """Whatever is in the results is written, wherever its name leads."""

    def write(directory: Path, name: str, content: Any, *, mode: int = 0o644) -> Path:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read())
        return target

    replace("cfiddle_slurm.bundle.archive", "safe_path", str)
    replace(f"{_RESULTS}.collect", "matches", lambda *_: True)
    replace(f"{_RESULTS}.collect", "write_below", write)


def _any_text() -> None:
    """What an experiment prints and says goes to the terminal as it is."""

    def shown(self: Any, text: str, *, final: bool = False) -> str:
        return text

    replace("cfiddle_slurm.printable", "Live.shown", shown)
    for name in ("printable", "one_line"):
        replace(f"{_RESULTS}.records", name, str)


def _any_attribute() -> None:
    """What Python and displays obey comes home, too."""
    for module in ("bare_objects", "records"):
        replace(f"{_RESULTS}.{module}", "is_obeyed_attribute", lambda _: False)


def _any_environment() -> None:
    replace("cfiddle_slurm.outgoing.cfiddle_task", "_check_environment", lambda _: None)


def _any_limit() -> None:
    """A request may ask for more than the policy allows."""

    def lowered(name: str, asked: float | None, allowed: float) -> float:
        return allowed if asked is None else min(asked, allowed)

    replace("cfiddle_slurm.sandbox.policy", "_lowered", lowered)


_ALL_CAPABILITIES = tuple(
    name
    for name in (Path(__file__).parents[1] / "machines" / "capabilities.txt").read_text().split()
    if name not in ("PERFMON", "SETGID", "SETPCAP", "SETUID", "SYS_RESOURCE")
)

WALLS: dict[str, Wall] = {
    "none": Wall("nothing is taken away: how an attack ends here with all walls"),
    # Around the container.
    "system calls": Wall("the seccomp profile", calls=("*",)),
    "sockets": Wall(
        "AF_UNIX only (seccomp)", calls=("socket", "socketpair"), settings={"time_limit": 50}
    ),
    "capabilities": Wall("no capability but PERFMON", capabilities=_ALL_CAPABILITIES),
    "read-only image": Wall("the root file system is read-only", host={"ReadonlyRootfs": False}),
    "hidden files": Wall(
        "files of /proc and /sys are hidden or read-only",
        host={"MaskedPaths": [], "ReadonlyPaths": []},
    ),
    "network": Wall(
        "a network of its own, with nobody in it",
        container={"NetworkDisabled": False},
        host={"NetworkMode": "host"},
    ),
    "no mounts": Wall("nothing of the machine is mounted", host={"Binds": ["/run:/run:ro"]}),
    "devices": Wall(
        "the engine's default devices only",
        host={"Privileged": False, "Devices": [
            {"PathOnHost": f"/dev/{name}", "PathInContainer": f"/dev/{name}",
             "CgroupPermissions": "rwm"} for name in ("kmsg", "mem", "fuse", "net/tun")
            if Path("/dev", name).exists()
        ]},
    ),
    "memory": Wall(
        "the memory limit", host={"Memory": 1024 * MIB, "MemorySwap": 1024 * MIB}, memory=16 * MIB
    ),
    "page cache": Wall(
        "the memory limit, for files' pages", host={"Memory": 1024 * MIB, "MemorySwap": 1024 * MIB}
    ),
    "processes": Wall(
        "the limit of processes", policy={"processes": "700"}, shows=r"limit of 700 processes"
    ),
    "open files": Wall(
        "the limit of open files", ulimits={"nofile": 4000}, settings={"time_limit": 50}
    ),
    "buffers of counters": Wall("the limit of locked memory", ulimits={"memlock": 3 * MIB}),
    "stack": Wall("the limit of the stack", ulimits={"stack": -1}),
    "scratch bytes": Wall("the size of /work and /tmp", scratch={"size": "4g"}),
    "scratch files": Wall("the number of files in /work and /tmp", scratch={"nr_inodes": "0"}),
    # In the policy.
    "clock": Wall("the time limit", settings={"time_limit": 12}, seconds=10.0),
    "output": Wall(
        "the limit of what is printed", policy={"output_bytes": '"64MiB"'}, shows=r"than 64 MiB"
    ),
    "result size": Wall(
        "the limit of results", policy={"result_bytes": '"90MiB"'}, shows=r"than 90 MiB"
    ),
    # In sandboxd.
    "limits below the policy": Wall("a request asks for no more than allowed", sandboxd=_any_limit,
                                    shows=r"'kind': '(exited|memory|wall_time)'"),
    # In the guest.
    "guest's privacy": Wall("the guest cannot be looked into (prctl)", guest="privacy"),
    "plain bundles": Wall("only plain files are unpacked, each in its place", guest="bundles",
                          shows=r"'kind': '(exited|memory|wall_time)'"),
    "plain outputs": Wall("only plain output files are sent", guest="outputs"),
    # In the notebook.
    "allow-list": Wall("results are read through an allow-list", notebook=_every_pickle,
                       shows="it was executed|taken", hangs=True),
    "nesting": Wall("what is unpickled is not nested deeply", notebook=_any_nesting, hangs=True),
    "plain exceptions": Wall("an exception is its class and plain values",
                             notebook=_any_exception, hangs=True),
    "declared files": Wall("only declared files are written, and below", notebook=_any_file),
    "printable": Wall("texts give a terminal no commands", notebook=_any_text),
    "attributes": Wall("attributes that are obeyed stay away", notebook=_any_attribute),
    "environment": Wall("run options are looked at before", notebook=_any_environment),
}  # fmt: skip


def reached(wall: Wall, verdict: Any, faults: list[str], asked: int | None) -> str:
    """What an attack has reached that has come further than it may; empty if it has not.

    Args:
        verdict, faults: how it ended, and what of that is not as with all walls.
        asked: the memory that it may have, in bytes.
    """
    report = verdict.report or {}
    peak = report.get("memory_peak_bytes") or 0
    if wall.memory and asked is not None and peak > asked + wall.memory:
        return f"{peak // MIB} MiB of memory, where {asked // MIB} were allowed"
    if wall.seconds and verdict.seconds > wall.seconds:
        return f"it ran for {verdict.seconds:.0f} s"
    if wall.shows:
        # Of several ways, one that got through: another may have been refused in other words.
        ways = verdict.value if isinstance(verdict.value, list) else []
        told = [text for text in (verdict.message, *map(str, ways)) if re.search(wall.shows, text)]
        return told[0] if told else ""
    if wall.memory or wall.seconds:
        return ""
    return faults[0] if faults else ""

"""The guest's own decisions; real experiments are the behaviour suite's."""

import io
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle.archive import BundleError
from cfiddle_slurm.bundle.layout import RESULTS
from cfiddle_slurm.bundle.manifest import Manifest
from cfiddle_slurm.sandbox.guest import processes
from cfiddle_slurm.sandbox.guest.__main__ import BundleStream, ResultStream
from cfiddle_slurm.sandbox.guest.processes import outcome_of
from cfiddle_slurm.sandbox.protocol import (
    MAX_FRAME,
    OutcomeKind,
    ProtocolError,
    read_frame,
    write_frame,
)
from cfiddle_slurm.sandbox.status import outcome


def frames(*parts: tuple[bytes, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    for kind, payload in parts:
        write_frame(stream, kind, payload)
    stream.seek(0)
    return stream


@given(st.lists(st.binary(max_size=20), max_size=5), st.binary(max_size=20), st.integers(1, 30))
def test_the_bundle_is_what_is_in_the_frames(pieces: list[bytes], rest: bytes, size: int) -> None:
    incoming = frames(*((b"D", piece) for piece in pieces), (b"E", b""))
    incoming.seek(0, os.SEEK_END)
    incoming.write(rest)
    incoming.seek(0)
    stream = BundleStream(incoming)
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(pieces)
    assert incoming.read() == rest  # what comes after the end is left for whoever waits for it


@pytest.mark.parametrize(
    "parts", [[], [(b"D", b"half")], [(b"D", b"x"), (b"X", b"{}"), (b"E", b"")]]
)
def test_a_bundle_that_breaks_off_is_noticed(parts: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ProtocolError, match="ended before the bundle"):
        io.BufferedReader(BundleStream(frames(*parts)), 64).read()


@pytest.mark.parametrize("size", [0, 1, MAX_FRAME, MAX_FRAME + 1, 3 * MAX_FRAME])
def test_results_leave_in_frames_of_the_allowed_size(size: int) -> None:
    outgoing = io.BytesIO()
    data = os.urandom(size)
    assert ResultStream(outgoing).write(data) == size
    outgoing.seek(0)
    found = []
    while frame := read_frame(outgoing):
        assert frame[0] == b"R"
        found.append(frame[1])
    assert b"".join(found) == data
    assert len(found) == -(-size // MAX_FRAME)


@pytest.mark.parametrize(
    ("returncode", "done", "ending"),
    [
        (0, True, (OutcomeKind.OK, None, None)),
        (0, False, (OutcomeKind.EXITED, None, 0)),
        (3, True, (OutcomeKind.EXITED, None, 3)),
        (255, False, (OutcomeKind.EXITED, None, 255)),
        (-signal.SIGSEGV, False, (OutcomeKind.SIGNAL, "SIGSEGV", None)),
        (-signal.SIGKILL, True, (OutcomeKind.SIGNAL, "SIGKILL", None)),
        (-signal.SIGXCPU, False, (OutcomeKind.CPU_TIME, "SIGXCPU", None)),
        (-50, False, (OutcomeKind.SIGNAL, "signal 50", None)),
    ],
)
def test_how_a_process_ended(
    returncode: int, done: bool, ending: tuple[OutcomeKind, str | None, int | None]
) -> None:
    found = outcome_of(returncode, done=done)
    assert (found["kind"], found["signal"], found["code"]) == ending
    assert found["message"].endswith("." if found["kind"] != OutcomeKind.OK else "")
    assert bool(found["message"]) == (found["kind"] != OutcomeKind.OK)


@given(st.integers(-64, 255), st.booleans())
def test_only_a_process_that_said_so_has_ended_well(returncode: int, done: bool) -> None:
    ended_well = outcome_of(returncode, done=done)["kind"] == OutcomeKind.OK
    assert ended_well == (returncode == 0 and done)


def test_the_processes_to_start() -> None:
    groups = [{"environment": {"A": "1"}, "invocations": [0, 2]}]
    lean = {"full": False}
    assert processes.groups_of(Manifest("r", "cfiddle", {**lean, "groups": groups})) == groups
    (only,) = processes.groups_of(Manifest("r", "call", {**lean, "call": "call.pickle"}))
    assert only["environment"] == {}
    for strange in (Manifest("r", "shell", {**lean, "groups": []}), Manifest("r", "cfiddle", lean)):
        with pytest.raises(BundleError, match="does not know"):
            processes.groups_of(strange)
    with pytest.raises(BundleError, match="all of CFiddle"):
        processes.groups_of(Manifest("r", "cfiddle", {"groups": groups}))


def test_the_experiments_environment_is_made_of_three_layers() -> None:
    travelled = {"CFIDDLE_X": "1", "LANG": "travelled", "BOTH": "travelled"}
    found = processes.experiment_environment(travelled, {"BOTH": "option"}, Path("/work"))
    assert (found["CFIDDLE_X"], found["LANG"], found["BOTH"]) == ("1", "travelled", "option")
    assert "/usr/bin" in found["PATH"].split(":")
    assert set(found) <= {
        "CFIDDLE_X", "LANG", "BOTH", "PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONPATH",
    }  # fmt: skip


def test_the_loader_finds_cfiddles_library_whatever_path_is_asked_for() -> None:
    ours = str(processes.libcfiddle_directory())
    assert Path(ours, "libcfiddle.so").is_file()
    for chosen, path in (({}, ours), ({"LD_LIBRARY_PATH": "/mine"}, f"/mine:{ours}")):
        found = processes.experiment_environment({}, chosen, Path("/work"))
        assert found["LD_LIBRARY_PATH"] == path


def test_a_sandbox_without_cfiddle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "find_spec", lambda name: None)
    with pytest.raises(BundleError, match="CFiddle is not installed in the sandbox"):
        processes.libcfiddle_directory()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work directory, on a machine whose temporary file systems are never full."""
    room = SimpleNamespace(f_bavail=5, f_files=5, f_favail=5)
    monkeypatch.setattr(os, "statvfs", lambda place: room)
    return tmp_path


def played(monkeypatch: pytest.MonkeyPatch, *endings: Any) -> list[tuple[Any, dict[str, str]]]:
    """The plans and environments of the processes that are started; they end as given."""
    seen: list[tuple[Any, dict[str, str]]] = []

    def run(plan_file: Path, _plan: object, environment: dict[str, str], *_: object) -> Any:
        seen.append((json.loads(plan_file.read_text()), environment))
        return endings[len(seen) - 1]

    monkeypatch.setattr(processes, "_run_experiment", run)
    monkeypatch.setattr(processes, "Nursery", Nobody)
    return seen


class Nobody:
    """A nursery that is never asked."""

    made = closed = 0

    def __init__(self, *_: object) -> None:
        type(self).made += 1

    def end_stragglers(self) -> bool:
        return True

    def close(self) -> None:
        type(self).closed += 1


@pytest.mark.parametrize(
    ("environments", "nurseries"),
    [
        ([{}], 0),
        ([{"N": "1"}, {"N": "2"}], 1),
        ([{"N": "1"}, {"N": "2", "LD_PRELOAD": "x.so"}], 0),
        ([{"MALLOC_ARENA_MAX": "1"}, {"PYTHONHASHSEED": "1"}], 0),
    ],
)
def test_a_warm_process_forks_where_there_are_many_and_none_needs_its_options_early(
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    environments: list[dict[str, str]],
    nurseries: int,
) -> None:
    played(monkeypatch, *[OK] * len(environments))
    groups = [{"environment": one, "invocations": [0]} for one in environments]
    before = Nobody.made, Nobody.closed
    manifest = Manifest("r", "cfiddle", {"groups": groups, "full": False})
    assert processes.execute(manifest, work, None) == OK
    assert (Nobody.made, Nobody.closed) == (before[0] + nurseries, before[1] + nurseries)


GROUPS = [{"environment": {"N": str(n)}, "invocations": [n]} for n in range(3)]
MANIFEST_OF_THREE = Manifest("r", "cfiddle", {"groups": GROUPS, "full": False})
OK, EXITED = outcome(OutcomeKind.OK), outcome(OutcomeKind.EXITED, "x.", code=3)


def test_processes_run_one_after_another_until_one_ends_badly(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = played(monkeypatch, OK, OK, OK)
    assert processes.execute(MANIFEST_OF_THREE, work, 2.5) == OK
    assert [plan["invocations"] for plan, _ in seen] == [[0], [1], [2]]
    assert [environment["N"] for _, environment in seen] == ["0", "1", "2"]
    assert [plan["results"] for plan, _ in seen] == [f"{work}/{RESULTS}/{n}" for n in range(3)]
    assert {plan["cpu_seconds"] for plan, _ in seen} == {2.5}
    seen = played(monkeypatch, OK, EXITED, OK)
    assert processes.execute(MANIFEST_OF_THREE, work, None) == EXITED
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("room", "full"),
    [((5, 5, 5), False), ((0, 5, 5), True), ((5, 5, 0), True), ((5, 0, 0), False)],
)
def test_a_full_scratch_space_is_the_cause_of_what_could_have_any(
    work: Path, monkeypatch: pytest.MonkeyPatch, room: tuple[int, int, int], full: bool
) -> None:
    found = SimpleNamespace(**dict(zip(("f_bavail", "f_files", "f_favail"), room, strict=True)))
    monkeypatch.setattr(os, "statvfs", lambda place: found)
    crash = outcome(OutcomeKind.SIGNAL, "x.", "SIGSEGV")
    for ending in (OK, EXITED, crash):
        played(monkeypatch, ending, OK, OK)
        found_kind = processes.execute(MANIFEST_OF_THREE, work, None)["kind"]
        covered = full and ending is not crash
        assert found_kind == (OutcomeKind.SCRATCH if covered else ending["kind"])

"""Stand-ins for Slurm's commands: programs that do as a test says, found on the PATH."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.schedulers import room, submission
from cfiddle_slurm.schedulers.binding import shared


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """``commands(name, script)`` makes a program; the file that it gives lists its calls."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, script: str) -> Path:
        calls = tmp_path / f"{name}.calls"
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$*" >>"{calls}"\n{script}\n')
        program.chmod(0o755)
        return calls

    return make


@pytest.fixture(autouse=True)
def without_pyslurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine has it must not matter."""
    monkeypatch.setattr(shared, "_may_be_there", lambda: False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job directory, where a shell needs quotes."""
    place = tmp_path / "a job's directory"
    place.mkdir()
    return place


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A submission's patience, in parts of a second."""
    monkeypatch.setattr(submission, "_SEARCH_SECONDS", 1.0)
    monkeypatch.setattr(submission, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(submission, "_PATIENCE_PAUSE", 0.05)
    monkeypatch.setattr(submission, "_SEARCH_AFTER_DEATH", 0.3)
    monkeypatch.setattr(submission, "_SEARCH_PAUSE", 0.05)
    monkeypatch.setattr(submission, "_SRUN_ASKS_AFTER", 0.2)
    monkeypatch.setattr(room, "SHORTEST_PAUSE", 0.02)
    monkeypatch.setattr(room, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(room, "_rooms", {})

"""Stand-ins for Slurm's commands: programs that do as a test says, found on the PATH."""

from collections.abc import Callable
from pathlib import Path

import pytest


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

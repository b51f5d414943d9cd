"""Jobs are found and cancelled by their runs' names: this user's own, and no others."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.schedulers.by_name import cancel_jobs, cancel_jobs_of, jobs_of

Commands = Callable[[str, str], Path]
RUN_ID, OTHER = "0123456789abcdef", "f" * 16


def test_only_the_own_jobs_are_cancelled(commands: Commands) -> None:
    scancel = commands("scancel", "true")
    cancel_jobs_of(RUN_ID)
    assert scancel.read_text().split() == [f"--user={os.getuid()}", f"--name=cfiddle-{RUN_ID}"]


def test_many_runs_take_two_commands(commands: Commands) -> None:
    squeue = commands(
        "squeue",
        f"echo 'a banner'; echo '7|cfiddle-{RUN_ID}'; echo '8|cfiddle-{OTHER}'; echo '9|x'",
    )
    scancel = commands("scancel", "true")
    cancel_jobs([RUN_ID, "a" * 16])
    assert "--me" in squeue.read_text()
    assert scancel.read_text().splitlines() == ["--quiet 7"]
    cancel_jobs(["a" * 16])
    assert len(scancel.read_text().splitlines()) == 1


def test_without_slurm_nothing_is_found_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cancel_jobs([RUN_ID])
    cancel_jobs_of(RUN_ID)
    assert jobs_of(RUN_ID, tmp_path) == []

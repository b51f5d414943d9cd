"""The account that `provision` makes: the script itself, with stand-ins for the system's tools."""

import os
import subprocess
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.changes import provision

STUBS = {
    "getent": 'cat "$STATE/$1-$2" 2>/dev/null',
    "groupadd": 'echo "groupadd $*" >>"$STATE/done"',
    "useradd": 'echo "useradd $*" >>"$STATE/done"',
}


def run(tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """How the script ended, and what it made."""
    for name, body in STUBS.items():
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\n{body}\n")
        stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", provision._ACCOUNT, "sh", "7000"], capture_output=True, text=True, check=False,
        env={"PATH": path, "STATE": str(tmp_path)},
    )  # fmt: skip
    made = tmp_path / "done"
    lines = made.read_text().splitlines() if made.exists() else []
    return done, [line.split()[0] for line in lines]


def test_it_is_made_with_its_group(tmp_path: Path) -> None:
    done, made = run(tmp_path)
    assert (done.returncode, done.stdout, made) == (0, "made\n", ["groupadd", "useradd"])


def test_a_group_that_an_interrupted_run_left_is_used(tmp_path: Path) -> None:
    (tmp_path / "group-7000").write_text("cfiddle:x:7000:\n")
    done, made = run(tmp_path)
    assert (done.returncode, made) == (0, ["useradd"])


def test_one_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "passwd-7000").write_text("cfiddle:x:7000:7000::/nonexistent:/usr/sbin/nologin\n")
    done, made = run(tmp_path)
    assert (done.returncode, done.stdout, made) == (0, "", [])


@pytest.mark.parametrize("kind", ["passwd", "group"])
def test_it_takes_no_place_of_others(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"{kind}-7000").write_text("oracle:x:7000:\n")
    done, made = run(tmp_path)
    assert (done.returncode, made) == (1, [])
    assert "belongs to oracle" in done.stderr

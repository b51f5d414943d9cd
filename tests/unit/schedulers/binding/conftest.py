"""A helper process with a stand-in for pyslurm, which does as a test says."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.schedulers.binding import questions, shared
from cfiddle_slurm.schedulers.binding.shared import Shared
from tests.patience import wait_until

PLACE = Path(__file__).with_name("stand_in")
PATIENCE = 30.0


class StandIn:
    """What the stand-in is to do, and what it has been asked.

    Attributes:
        shared: the process's helper, new for each test.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = Shared()

    def at(self, point: str, code: str) -> None:
        """Have it execute Python at a point, such as ``before_submit``."""
        (self.folder / f"{point}.py").write_text(code)

    def calls(self, point: str = "") -> list[int]:
        """The pids of the processes that have reached a point, in order."""
        file = self.folder / "calls"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [int(pid) for name, pid in lines if name == point]

    def put(self, *jobs: dict[str, Any]) -> None:
        """What is in the queue; each job has an id."""
        plain = {"name": "x", "state": "RUNNING", "state_reason": "None", "allocated_nodes": "w1",
                 "user_id": os.getuid(), "working_directory": "/"}  # fmt: skip
        (self.folder / "queue.json").write_text(json.dumps([{**plain, **job} for job in jobs]))

    def jobs(self) -> list[dict[str, Any]]:
        """What is in the queue now."""
        file = self.folder / "queue.json"
        found: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        return found


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its place in the table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int) -> bool:
    """Whether a process ends in time."""
    return wait_until(lambda: not is_alive(pid), PATIENCE)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in is installed; at the end no process of it is left."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(PLACE))
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.setattr(shared, "_may_be_there", lambda: True)
    made = StandIn(folder)
    monkeypatch.setattr(questions, "shared", made.shared)
    yield made
    made.shared.close()
    for pid in made.calls("import"):
        assert ends(pid)

"""Another student, who measures all the time while somebody does harm elsewhere."""

import json
import subprocess
import threading

from cfiddle_slurm import process
from tests.machines.harness import HERE, Machines
from tests.machines.slowdown import Measurement
from tests.patience import wait_for

PROGRAM = "tests/attacks/neighbour.py"
STARTED_SECONDS, STOPPED_SECONDS = 120.0, 120.0
_FIRST = 3


class Neighbour:
    """A student's experiment, one run after the other, until :meth:`stop`.

    Args:
        user: the student, who must be there.
        count: how often the loop that is measured is gone through; the program's own number if
            it is not said.
    """

    def __init__(self, cluster: Machines, user: str, count: int | None = None) -> None:
        cluster.check("copy", user, str(HERE.parents[1] / PROGRAM), f"beside/{PROGRAM}")
        how_often = "" if count is None else f" {count}"
        run = f"cd beside && exec python3 -W ignore -m tests.attacks.neighbour{how_often}"
        self._process = process.start(
            cluster.command("run", user, "sh", "-c", run),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cluster.environment,
        )  # fmt: skip
        self._measured: list[Measurement] = []
        self._error: str | None = "it was killed"
        self._has_ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = json.loads(raw)
            if "seconds" in line:
                self._measured.append(Measurement(line["began"], line["ended"], line["seconds"]))
            else:
                self._error = line["error"]
        self._has_ended.set()

    def wait_for_the_first(self) -> None:
        """Wait until it is under way.

        Raises:
            AssertionError: it does not measure, or its first run failed.
        """

        def under_way() -> bool:
            return len(self._measured) >= _FIRST or self._has_ended.is_set()

        wait_for(under_way, "another student's experiment is under way", STARTED_SECONDS)
        assert not self._has_ended.is_set(), self._error

    @property
    def measured(self) -> list[Measurement]:
        """What it has measured so far."""
        return list(self._measured)

    @property
    def is_under_way(self) -> bool:
        """Whether no run of it has failed as yet."""
        return not self._has_ended.is_set()

    def within(self, began: float, ended: float) -> list[float]:
        """How long each run took, as its student felt it, that went on between two times."""
        return [
            each.ended - each.began
            for each in self.measured
            if each.ended > began and each.began < ended
        ]

    def stop(self) -> str | None:
        """End it after its current run; the error of the run that failed, if one did."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOPPED_SECONDS)
        assert self._has_ended.wait(10)
        return self._error

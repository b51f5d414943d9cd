"""Watches for an experiment that has used up its processes, at next to no cost to the measurement.

Asking the engine for a container's process count costs it some milliseconds of processor time, on
the very machine that is measuring. The kernel's own count of all tasks (/proc/loadavg, proc(5))
costs 20 microseconds, and an endless fork cannot help but raise it. So the engine is asked only
while the machine has gained so many tasks since the run began that the experiment may be at its
limit.
"""

from collections.abc import Callable
from pathlib import Path

LOADAVG = Path("/proc/loadavg")
PATIENCE_SECONDS = 2.0
"""How long the count must stay at the limit: a program that only touches it may go on."""


def read_tasks(path: Path = LOADAVG) -> int | None:
    """All tasks of the machine, containers' included; None when it cannot be told."""
    try:
        return int(path.read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return None


class ProcessWatch:
    """Says when a container has been at its limit of processes for PATIENCE_SECONDS.

    Args:
        limit: the container's limit of processes and threads.
        tasks: counts the machine's tasks, cheaply.
        ask: counts the container's, dearly.
    """

    def __init__(
        self, limit: int, tasks: Callable[[], int | None], ask: Callable[[], int | None]
    ) -> None:
        self._limit = limit
        self._tasks = tasks
        self._ask = ask
        self._fewest = tasks()
        self._since: float | None = None

    @property
    def at_limit(self) -> bool:
        """Whether the container was at its limit when last looked at."""
        return self._since is not None

    def tick(self, now: float) -> bool:
        """Look (about once a second); whether the run is to be ended.

        Args:
            now: seconds on a monotonic clock.
        """
        count = self._ask() if self._worth_asking() else None
        if count is None or count < self._limit:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= PATIENCE_SECONDS

    def _worth_asking(self) -> bool:
        tasks = self._tasks()
        if tasks is None or self._fewest is None:
            return True
        # Others on the machine may end tasks meanwhile, hence the fewest seen, and half the limit.
        self._fewest = min(self._fewest, tasks)
        return tasks - self._fewest >= self._limit // 2

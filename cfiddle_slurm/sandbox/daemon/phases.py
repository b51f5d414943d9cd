"""How far a run has come, and by when it must get further. Pure: the time is told to it."""

from enum import IntEnum

from cfiddle_slurm.sandbox.daemon.verdict import End
from cfiddle_slurm.sandbox.policy import Limits, Policy

DRAIN_SECONDS = 5.0
"""How long a guest that gave its status may take to end; all it said has then come."""


class Phase(IntEnum):
    """The phases of a run, in their order."""

    BUNDLE = 1
    """The bundle comes in from the caller, or waits for the guest to take it."""
    RUNNING = 2
    """The guest has all of its bundle; the experiment's time runs."""
    RESULTS = 3
    """The guest gave its first result; the caller is to take what comes."""
    FAREWELL = 4
    """The guest gave its status, and is to end."""


class Course:
    """One run's way through its phases.

    Args:
        now: seconds on a monotonic clock, here as everywhere below.
    """

    def __init__(self, policy: Policy, limits: Limits, now: float) -> None:
        self._policy, self._limits = policy, limits
        self.phase = Phase.BUNDLE
        self._since = self._progress = now
        self._ran = 0.0

    def enter(self, phase: Phase, now: float) -> bool:
        """Go on to a phase; whether it begins now. One that is over, or goes on, is not begun
        again: a guest that fails early gives its results before it has its bundle."""
        if phase <= self.phase:
            return False
        self._ran = self.run_seconds(now)
        if phase is Phase.RESULTS:
            self._progress = now  # until now there was nothing for the caller to take
        self.phase, self._since = phase, now
        return True

    def progress(self, now: float) -> None:
        """The caller sent or took something."""
        self._progress = now

    def run_seconds(self, now: float) -> float:
        """How long the experiment has run, or ran."""
        return now - self._since if self.phase is Phase.RUNNING else self._ran

    def deadline(self, *, unsent: bool) -> tuple[float, End]:
        """When the run ends if nothing happens before, and what that end means.

        Args:
            unsent: whether the caller has yet to take something.
        """
        silence = self._progress + self._policy.progress_seconds
        if self.phase is Phase.BUNDLE:
            return min(silence, self._since + self._policy.wall_seconds), End.CALLER_SILENT
        if self.phase is Phase.RUNNING:
            return self._since + self._limits.wall_seconds, End.WALL_TIME
        if self.phase is Phase.FAREWELL and not unsent:
            return self._since + DRAIN_SECONDS, End.GUEST_DONE
        return silence, End.CALLER_SILENT

"""What the final status says of a run beside how it ended."""

import time
from dataclasses import dataclass, field

from cfiddle_slurm.sandbox.daemon.pump import Counts
from cfiddle_slurm.sandbox.daemon.request import Request
from cfiddle_slurm.sandbox.daemon.verdict import Usage


@dataclass
class Facts:
    """What the final status says beside the outcome."""

    request: Request | None = None
    container: str | None = None
    startup_seconds: float | None = None
    usage: Usage = field(default_factory=Usage)
    counts: Counts = field(default_factory=Counts)
    stages: dict[str, float] = field(default_factory=dict)

    def reach(self, stage: str) -> None:
        """Note when a stage of the run is reached, on the monotonic clock."""
        self.stages[stage] = time.monotonic()

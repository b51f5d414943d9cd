"""What the final status says of a run beside how it ended."""

import time
from dataclasses import dataclass, field
from typing import Any

from cfiddle_slurm.sandbox.daemon.pump import Counts
from cfiddle_slurm.sandbox.daemon.request import Request
from cfiddle_slurm.sandbox.daemon.verdict import Usage


@dataclass
class Facts:
    """What the final status says beside the outcome."""

    request: Request | None = None
    container: str | None = None
    image_id: str | None = None
    startup_seconds: float | None = None
    usage: Usage = field(default_factory=Usage)
    processes_peak: int | None = None
    counts: Counts | None = None
    stages: dict[str, float] = field(default_factory=dict)

    def reach(self, stage: str) -> None:
        """Note when a stage of the run is reached, on the monotonic clock."""
        self.stages[stage] = time.monotonic()


def measured(facts: Facts, guest: dict[str, Any]) -> dict[str, Any]:
    counts = facts.counts or Counts()
    return {
        "wall_seconds": counts.run_seconds,
        "startup_seconds": facts.startup_seconds,
        "cpu_seconds": _number(guest.get("cpu_seconds")),
        "container_cpu_seconds": facts.usage.cpu_seconds,
        # cgroup v2 as seen through the engine has no peak; the largest process is the next best.
        "memory_peak_bytes": facts.usage.memory_peak or _number(guest.get("max_rss_bytes")),
        "pids_peak": facts.processes_peak,
        "output_bytes": counts.output_bytes,
        "result_bytes": counts.result_bytes,
    }


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

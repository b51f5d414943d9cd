"""What ran where, and how long each stage took."""

import html
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from cfiddle_slurm.printable import one_line
from cfiddle_slurm.sandbox.versions import CODE

_TABLE_WIDTH = 78


def exit_reason(outcome: object) -> str:
    """How a run ended, in a word or two: ``ok``, ``crashed (SIGSEGV)``, ``exited (3)``, …"""
    kind = _text(_at(outcome, "kind")) or "unknown"
    signal_name, code = _text(_at(outcome, "signal")), _at(outcome, "code")
    if kind == "signal" and signal_name:
        return f"crashed ({signal_name})"
    if kind == "exited" and isinstance(code, int):
        return f"exited ({code})"
    return kind.replace("_", " ")


def _at(source: object, place: str) -> object:
    """What stands at a place such as ``guest.perf.status``, or None."""
    for key in place.split("."):
        source = source.get(key) if isinstance(source, Mapping) else None
    return source


def _text(found: object) -> str | None:
    return found if isinstance(found, str) and found else None


def _texts(found: object) -> dict[str, str]:
    items = found.items() if isinstance(found, Mapping) else ()
    return {key: value for key, value in items if isinstance(value, str)}


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _numbers(found: object) -> dict[str, float]:
    items = found.items() if isinstance(found, Mapping) else ()
    return {key: number for key, value in items if (number := _number(value)) is not None}


def _whole(found: object) -> int | None:
    number = _number(found)
    return None if number is None else int(number)


def _told(read: Callable[[object], Any], *places: str) -> Any:
    """A field that the final status tells: at the first of these places that holds it."""

    def find(status: Mapping[str, Any]) -> Any:
        found = (read(_at(status, place)) for place in places)
        return next((value for value in found if value is not None), None)

    return field(metadata={"find": find})


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """One run's report. Times are in seconds, sizes in bytes; None stands for unknown."""

    run_id: str | None = _told(_text, "run_id")
    job_id: str | None = _told(_text, "job_id")
    scheduler: str
    """``"slurm"``, or ``"local"`` for a run on the notebook's own machine."""
    node: str | None = _told(_text, "node")
    container: str | None = _told(_text, "container")
    image: str | None = _told(_text, "image")
    cpu_model: str | None = _told(_text, "guest.cpu_model")
    """The processor."""
    cores: str | None = _told(_text, "cores")
    """The logical cores that the run could use."""
    queue_seconds: float | None
    """From submission to the start on the worker."""
    startup_seconds: float | None = _told(_number, "measured.startup_seconds")
    """Of the sandbox, until the experiment's process was started."""
    run_seconds: float | None = _told(_number, "guest.run_seconds")
    """The experiment's processes."""
    return_seconds: float | None
    """From the end on the worker to the results in the notebook."""
    total_seconds: float | None
    """From submission to the results in the notebook."""
    cpu_seconds: float | None = _told(_number, "measured.cpu_seconds", "guest.cpu_seconds")
    """The experiment's, as its own process and those it waited for used it."""
    wall_seconds: float | None = _told(_number, "measured.wall_seconds")
    """Measured from outside, where no experiment can forge it: from the arrival of its inputs to
    its first result."""
    container_cpu_seconds: float | None = _told(_number, "measured.container_cpu_seconds")
    """Measured from outside, too: of everything that ran in the container, its start included."""
    memory_peak_bytes: int | None = _told(
        _whole, "measured.memory_peak_bytes", "guest.max_rss_bytes"
    )
    """Of the sandbox."""
    exit_reason: str = _told(exit_reason, "outcome")
    """``"ok"``, or how it ended."""
    perf_status: str | None = _told(_text, "guest.perf.status")
    """``"works"``, ``"no_pmu"`` (software counters only) or ``"refused"``."""
    perf_detail: str | None = _told(_text, "guest.perf.detail")
    """Why."""
    kernel: str | None = _told(_text, "guest.kernel")
    governor: str | None = _told(_text, "guest.governor")
    """The worker's frequency governor."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python, cfiddle, cfiddle_slurm and the engine, on the worker."""
    stages: dict[str, float] = field(default_factory=dict)
    """When the run reached which stage, on the monotonic clock of the machine where it did: the
    notebook's for ``submitted``, ``noticed`` and ``collected``, else the worker's."""

    @classmethod
    def of(
        cls,
        status: Mapping[str, Any],
        *,
        scheduler: str,
        submitted: float,
        started: float | None,
        finished: float,
        collected: float,
        stages: Mapping[str, float] | None = None,
    ) -> "RunReport":
        """The report of a run from its final status, which is believed only as far as it fits.

        Args:
            status: the content of ``report.json``.
            scheduler: where it was submitted.
            submitted, started, finished, collected: when, in seconds of one clock.
            stages: the notebook's own, as in ``stages``.
        """
        told = {
            one.name: one.metadata["find"](status) for one in fields(cls) if "find" in one.metadata
        }
        return cls(
            **told,
            scheduler=scheduler,
            queue_seconds=None if started is None else max(0.0, started - submitted),
            return_seconds=max(0.0, collected - finished),
            total_seconds=max(0.0, collected - submitted),
            versions=_texts(_at(status, "versions")) | _texts(_at(status, "guest.versions")),
            stages={
                **_numbers(_at(status, "guest.stages")),
                **_numbers(_at(status, "stages")),
                **(stages or {}),
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, as plain data."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """What is shown: a name and a value in words."""
        times = ("queue", "startup", "run", "return", "total")
        stages = ", ".join(f"{name} {_seconds(getattr(self, f'{name}_seconds'))}" for name in times)
        perf = self.perf_status or "unknown"
        outside = f"container's CPU time {_seconds(self.container_cpu_seconds)}"
        versions = [f"{k} {v}" for k, v in sorted(self.versions.items()) if k != CODE]
        rows = [
            ("run", self.run_id or "unknown"),
            ("job", f"{self.job_id or 'unknown'} ({self.scheduler})"),
            ("node", self.node or "unknown"),
            ("container", self.container or "none"),
            ("ended", self.exit_reason),
            ("seconds", stages),
            ("CPU time", _seconds(self.cpu_seconds, " s")),
            ("seen from outside", f"wall {_seconds(self.wall_seconds)}, {outside}"),
            ("peak memory", _megabytes(self.memory_peak_bytes)),
            ("CPU", self.cpu_model or "unknown"),
            ("cores", self.cores or "not restricted"),
            ("perf events", f"{perf}: {self.perf_detail}" if self.perf_detail else perf),
            ("kernel", self.kernel or "unknown"),
            ("governor", self.governor or "unknown"),
            ("versions", ", ".join(versions)),
        ]
        return [(name, one_line(value)) for name, value in rows]

    def __str__(self) -> str:
        rows = self.rows()
        indent = max(len(name) for name, _ in rows) + 2
        lines: list[str] = []
        for name, value in rows:
            wrapped = textwrap.wrap(value, _TABLE_WIDTH - indent, break_on_hyphens=False)
            first, *more = wrapped or ["none"]
            lines += [f"{name:{indent}}{first}", *(" " * indent + line for line in more)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.rows()
        )
        return f"<table>{rows}</table>"


def _seconds(value: float | None, unit: str = "") -> str:
    return "unknown" if value is None else f"{value:.3f}{unit}"


def _megabytes(value: int | None) -> str:
    return "unknown" if value is None else f"{value / (1 << 20):.1f} MiB"

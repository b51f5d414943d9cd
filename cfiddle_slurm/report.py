"""What ran where, and how long each stage took."""

import html
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cfiddle_slurm.printable import one_line

_TABLE_WIDTH = 78


@dataclass(frozen=True)
class RunReport:
    """One run's report. Times are in seconds, sizes in bytes; None stands for unknown.

    Attributes:
        run_id, job_id, scheduler, node, container, image: what ran where.
        cpu_model, cores: the processor, and the logical cores that the run could use.
        queue_seconds: from submission to the start on the worker.
        startup_seconds: of the sandbox, until the experiment's process was started.
        run_seconds: the experiment's processes.
        return_seconds: from the end on the worker to the results in the notebook.
        total_seconds: all of it.
        cpu_seconds: the experiment's, as its own process and those it waited for used it.
        memory_peak_bytes: of the sandbox.
        wall_seconds, container_cpu_seconds: measured from outside, where no experiment can forge
            them: from the arrival of its inputs to its first result, and the CPU time of everything
            that ran in the container, its start included.
        exit_reason: ``"ok"``, or how it ended.
        perf_status: ``"works"``, ``"no_pmu"`` (software counters only) or ``"refused"``.
        perf_detail: why.
        kernel, governor: the worker's kernel and frequency governor.
        versions: of Python, cfiddle, cfiddle_slurm and the engine, on the worker.
        stages: when the run reached which stage, on the monotonic clock of the machine where it
            did: the notebook's for ``submitted``, ``noticed`` and ``collected``, else the worker's.
    """

    run_id: str | None
    job_id: str | None
    scheduler: str
    node: str | None
    container: str | None
    image: str | None
    cpu_model: str | None
    cores: str | None
    queue_seconds: float | None
    startup_seconds: float | None
    run_seconds: float | None
    return_seconds: float | None
    total_seconds: float | None
    cpu_seconds: float | None
    wall_seconds: float | None
    container_cpu_seconds: float | None
    memory_peak_bytes: int | None
    exit_reason: str
    perf_status: str | None
    perf_detail: str | None
    kernel: str | None
    governor: str | None
    versions: dict[str, str] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)

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
        guest, measured = _table(status, "guest"), _table(status, "measured")
        perf = _table(guest, "perf")
        return cls(
            run_id=_text(status, "run_id"),
            job_id=_text(status, "job_id"),
            scheduler=scheduler,
            node=_text(status, "node"),
            container=_text(status, "container"),
            image=_text(status, "image"),
            cpu_model=_text(guest, "cpu_model"),
            cores=_text(status, "cores"),
            queue_seconds=None if started is None else max(0.0, started - submitted),
            startup_seconds=_number(measured, "startup_seconds"),
            run_seconds=_number(guest, "run_seconds"),
            return_seconds=max(0.0, collected - finished),
            total_seconds=max(0.0, collected - submitted),
            cpu_seconds=_first(_number(measured, "cpu_seconds"), _number(guest, "cpu_seconds")),
            wall_seconds=_number(measured, "wall_seconds"),
            container_cpu_seconds=_number(measured, "container_cpu_seconds"),
            memory_peak_bytes=_whole(
                _first(_number(measured, "memory_peak_bytes"), _number(guest, "max_rss_bytes"))
            ),
            exit_reason=exit_reason(_table(status, "outcome")),
            perf_status=_text(perf, "status"),
            perf_detail=_text(perf, "detail"),
            kernel=_text(guest, "kernel"),
            governor=_text(guest, "governor"),
            versions={
                **_texts(_table(status, "versions")),
                **_texts(_table(guest, "versions")),
            },
            stages={
                **_numbers(_table(guest, "stages")),
                **_numbers(_table(status, "stages")),
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
        rows = [
            ("run", _or_unknown(self.run_id)),
            ("job", f"{_or_unknown(self.job_id)} ({self.scheduler})"),
            ("node", _or_unknown(self.node)),
            ("container", self.container or "none"),
            ("ended", self.exit_reason),
            ("seconds", stages),
            ("CPU time", _seconds(self.cpu_seconds, " s")),
            ("seen from outside", f"wall {_seconds(self.wall_seconds)}, {outside}"),
            ("peak memory", _megabytes(self.memory_peak_bytes)),
            ("CPU", _or_unknown(self.cpu_model)),
            ("cores", self.cores or "not restricted"),
            ("perf events", f"{perf}: {self.perf_detail}" if self.perf_detail else perf),
            ("kernel", _or_unknown(self.kernel)),
            ("governor", _or_unknown(self.governor)),
            ("versions", ", ".join(f"{k} {v}" for k, v in sorted(self.versions.items()))),
        ]
        return [(name, one_line(value)) for name, value in rows]

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in self.rows():
            table.add_row(name, Text(value))
        out = io.StringIO()
        Console(file=out, width=_TABLE_WIDTH, color_system=None).print(table)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.rows()
        )
        return f"<table>{rows}</table>"


def exit_reason(outcome: Mapping[str, Any]) -> str:
    """How a run ended, in a word or two: ``ok``, ``crashed (SIGSEGV)``, ``exited (3)``, …"""
    kind = _text(outcome, "kind") or "unknown"
    signal_name, code = _text(outcome, "signal"), outcome.get("code")
    if kind == "signal" and signal_name:
        return f"crashed ({signal_name})"
    if kind == "exited" and isinstance(code, int):
        return f"exited ({code})"
    return kind.replace("_", " ")


def _table(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(source: Mapping[str, Any], key: str) -> str | None:
    found = source.get(key)
    return found if isinstance(found, str) and found else None


def _texts(source: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in source.items() if isinstance(value, str)}


def _number(source: Mapping[str, Any], key: str) -> float | None:
    found = source.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _numbers(source: Mapping[str, Any]) -> dict[str, float]:
    return {key: number for key in source if (number := _number(source, key)) is not None}


def _first(one: float | None, other: float | None) -> float | None:
    return other if one is None else one


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _or_unknown(value: str | None) -> str:
    return value or "unknown"


def _seconds(value: float | None, unit: str = "") -> str:
    return "unknown" if value is None else f"{value:.3f}{unit}"


def _megabytes(value: int | None) -> str:
    return "unknown" if value is None else f"{value / (1 << 20):.1f} MiB"

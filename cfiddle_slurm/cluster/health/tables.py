"""The tables that `status` shows, on one screen."""

from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from cfiddle_slurm.cluster.health import disks, troubles
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.slurm_states import reason_in_english

_MANY = 20
_OLDER = (
    "The user node still has an older version: `update` replaces it when nothing is open there,"
    " `update --now` at once."
)


def shown(facts: dict[str, Any]) -> RenderableType:
    """The facts as tables for a terminal; what is wrong comes last, where it is seen."""
    parts: list[RenderableType] = [
        _services(facts["services"]),
        *([_OLDER] if facts["user_node_is_older"] else []),
        _machines(facts["machines"]),
        _workers(facts["workers"]),
        _queue(facts["queue"]),
    ]
    parts += [f"[red]{_safe(sentence)}[/red]" for sentence in troubles.of(facts)]
    return Group(*parts)


def _safe(text: str) -> str:
    return escape(one_line(text))


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left")


def _services(rows: list[dict[str, Any]]) -> Table:
    table = _table("Services", "service", "healthy", "wanted")
    for row in rows:
        style = None if row["ok"] else "red"
        table.add_row(row["name"], str(row["healthy"]), str(row["wanted"]), style=style)
    return table


def _machines(rows: list[dict[str, Any]]) -> Table:
    table = _table("Machines", "machine", "for", "sandboxes", "free space")
    for row in rows:
        sandboxes = "?" if row["sandboxes"] is None else str(row["sandboxes"])
        free = disks.in_words(row["disks"]) or row.get("trouble") or "?"
        low = any(disk["low"] for disk in row["disks"])
        fine = row["ready"] and troubles.is_timely(row) and not low
        style = None if fine else "red"
        roles = ", ".join(row["roles"])
        table.add_row(_safe(row["name"]), roles, sandboxes, _safe(free), style=style)
    return table


def _workers(rows: list[dict[str, Any]]) -> Table:
    table = _table("Workers", "worker", "state", "features", "reason")
    for row in rows:
        cells = [_safe(row[name]) for name in ("name", "state", "features", "reason")]
        table.add_row(*cells, style=None if row["usable"] else "red")
    return table


def _queue(rows: list[dict[str, Any]]) -> Table:
    title = f"Queue: {len(rows)} jobs"
    table = _table(title, "job", "user", "state", "time", "worker, or why it waits")
    for row in rows[:_MANY]:
        where = row["node"] or reason_in_english(row["reason"])
        table.add_row(
            row["job_id"],
            _safe(row["user"]),
            row["state"].lower(),
            _time(row["seconds"]),
            _safe(where),
        )
    if len(rows) > _MANY:
        table.add_row("…", "", "", "", f"and {len(rows) - _MANY} more")
    return table


def _time(seconds: int) -> str:
    return str(timedelta(seconds=seconds))

"""What `status` knows and shows: services, machines, workers, the queue, and what is wrong."""

import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.health import disks, troubles
from cfiddle_slurm.cluster.health.check import skew
from cfiddle_slurm.cluster.hosts import conversations
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.members import swarm, swarm_state
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.slurm_states import reason_in_english

_FACTS = f"date +%s.%N\n{disks.SCRIPT}"
_MANY = 20
_OLDER = (
    "The user node still has an older version: `update` replaces it when nothing is open there,"
    " `update --now` at once."
)


def gather(head: Machine, user: str) -> dict[str, Any]:
    """All facts, as plain data. Sizes are in bytes; ``trouble`` is empty when all is well.

    Raises:
        MachineError: the head does not answer.
        NotHealthy: the cluster is not up.
    """
    services = stack.services(head) if swarm_state.check(head) else []
    if not services:
        raise stack.NotHealthy("The cluster is not up: `up` starts it.")
    members = swarm.members(head)
    with conversations.pool() as pool:
        machines = list(pool.map(lambda member: _machine(member, user), members))
    facts: dict[str, Any] = {
        "services": [{**asdict(each), "ok": each.is_healthy} for each in services],
        "user_node_is_older": upgrade.is_older(upgrade.deployed(head)),
        "machines": machines,
        "workers": [],
        "queue": [],
        "backlog": None,
        "partition": "unknown",
        "unanswered": None,
    }
    try:
        facts["workers"] = [{**asdict(n), "usable": n.usable} for n in slurm.nodes(head)]
        facts["queue"] = [asdict(job) for job in slurm.queue(head)]
        facts |= slurm.diagnosis(head)
    except (ClusterError, ProcessError) as error:
        facts["unanswered"] = str(error)
    facts["trouble"] = troubles.of(facts)
    return facts


def _machine(member: swarm.Member, user: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": member.hostname,
        "roles": sorted(member.roles),
        "ready": member.ready,
        "sandboxes": None,
        "disks": [],
        "clock_off": 0.0,
    }
    try:
        machine = swarm.machine_of(member, user)
        before = time.time()
        clock, _, found = machine.check_shell(_FACTS).partition("\n")
        facts["clock_off"] = round(skew(clock, before, time.time()), 1)
        facts["disks"] = [{**asdict(disk), "low": disk.low} for disk in disks.parse(found)]
        label = f"--filter=label={stack.SANDBOX_LABEL}"
        facts["sandboxes"] = len(machine.docker("ps", "--quiet", label).split())
    except (ClusterError, ProcessError) as error:
        facts["trouble"] = str(error)
    return facts


def shown(facts: dict[str, Any]) -> RenderableType:
    """The facts as tables for a terminal; what is wrong comes last, where it is seen."""
    return Group(
        _services(facts["services"]),
        *([_OLDER] if facts["user_node_is_older"] else []),
        _machines(facts["machines"]),
        _workers(facts["workers"]),
        _queue(facts["queue"]),
        *(f"[red]{_safe(sentence)}[/red]" for sentence in facts["trouble"]),
    )


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
        where = _safe(row["node"] or reason_in_english(row["reason"]))
        elapsed = str(timedelta(seconds=row["seconds"]))
        table.add_row(row["job_id"], _safe(row["user"]), row["state"].lower(), elapsed, where)
    if len(rows) > _MANY:
        table.add_row("…", "", "", "", f"and {len(rows) - _MANY} more")
    return table

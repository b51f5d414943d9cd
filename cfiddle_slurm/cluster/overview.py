"""What `status` shows: services, workers, the queue, sandboxes and disks, on one screen."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from cfiddle_slurm.cluster import slurm, stack, swarm, upgrade
from cfiddle_slurm.cluster.check import MOST_SKEW_SECONDS, skew
from cfiddle_slurm.cluster.machines import Machine, MachineError
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.slurm_states import reason_in_english

_FACTS = "date +%s.%N; df --output=pcent,avail -BM / | tail -n 1"
_MANY = 20
OLDER = (
    "The user node is of an older version: `update` replaces it once nothing is open there,"
    " `update --now` at once."
)


def gather(head: Machine, user: str) -> dict[str, Any]:
    """All facts, as plain data.

    Raises:
        MachineError: the head does not answer.
        NotHealthy: the cluster is not up.
    """
    services = stack.services(head) if swarm.state(head) == "active" else []
    if not services:
        raise stack.NotHealthy("The cluster is not up: `up` starts it.")
    members = swarm.members(head)
    with ThreadPoolExecutor(max_workers=16) as pool:
        machines = list(pool.map(lambda member: _machine(member, user), members))
    facts: dict[str, Any] = {
        "services": [{**asdict(each), "ok": each.is_healthy} for each in services],
        "user_node_is_older": upgrade.is_older(upgrade.deployed(head)),
        "machines": machines,
        "workers": [],
        "queue": [],
        "trouble": None,
    }
    try:
        facts["workers"] = [{**asdict(n), "usable": n.usable} for n in slurm.nodes(head)]
        facts["queue"] = [asdict(job) for job in slurm.queue(head)]
    except (stack.NotHealthy, MachineError, ProcessError) as error:
        facts["trouble"] = str(error)
    return facts


def _machine(member: swarm.Member, user: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": member.hostname,
        "roles": sorted(member.roles),
        "ready": member.ready,
        "sandboxes": None,
        "disk": None,
        "clock_off": 0.0,
    }
    try:
        machine = swarm.machine_of(member, user)
        label = f"--filter=label={stack.SANDBOX_LABEL}"
        facts["sandboxes"] = len(machine.docker("ps", "--quiet", label).split())
        before = time.time()
        clock, _, facts["disk"] = machine.check_shell(_FACTS).partition("\n")
        facts["clock_off"] = round(skew(clock, before, time.time()), 1)
    except (MachineError, ProcessError) as error:
        facts["trouble"] = str(error)
    return facts


def healthy(facts: dict[str, Any]) -> bool:
    """Whether everything is as it should be."""
    return (
        facts["trouble"] is None
        and all(service["ok"] for service in facts["services"])
        and all(machine["ready"] and _is_timely(machine) for machine in facts["machines"])
        and all(worker["usable"] for worker in facts["workers"])
    )


def _is_timely(machine: dict[str, Any]) -> bool:
    return float(machine["clock_off"]) <= MOST_SKEW_SECONDS


def shown(facts: dict[str, Any]) -> RenderableType:
    """The facts as tables for a terminal."""
    parts: list[RenderableType] = [
        _services(facts["services"]),
        *([OLDER] if facts["user_node_is_older"] else []),
        _machines(facts["machines"]),
        _workers(facts["workers"]),
        _queue(facts["queue"]),
    ]
    if facts["trouble"]:
        parts.append(f"[red]{escape(facts['trouble'])}[/red]")
    return Group(*parts)


def _services(rows: list[dict[str, Any]]) -> Table:
    table = Table("service", "healthy", "wanted", title="Services", title_justify="left")
    for row in rows:
        style = None if row["ok"] else "red"
        table.add_row(row["name"], str(row["healthy"]), str(row["wanted"]), style=style)
    return table


def _machines(rows: list[dict[str, Any]]) -> Table:
    table = Table("machine", "for", "sandboxes", "disk used, free", title="Machines",
                  title_justify="left")  # fmt: skip
    for row in rows:
        sandboxes = "?" if row["sandboxes"] is None else str(row["sandboxes"])
        disk = " ".join((row["disk"] or row.get("trouble") or "?").split())
        if not _is_timely(row):
            disk += f"; its clock is {row['clock_off']:.0f} s off"
        style = None if row["ready"] and _is_timely(row) else "red"
        table.add_row(row["name"], ", ".join(row["roles"]), sandboxes, escape(disk), style=style)
    return table


def _workers(rows: list[dict[str, Any]]) -> Table:
    table = Table("worker", "state", "features", "reason", title="Workers", title_justify="left")
    for row in rows:
        style = None if row["usable"] else "red"
        table.add_row(
            row["name"], row["state"], row["features"], escape(row["reason"]), style=style
        )
    return table


def _queue(rows: list[dict[str, Any]]) -> Table:
    title = f"Queue: {len(rows)} jobs"
    table = Table("job", "user", "state", "time", "where, or why not", title=title,
                  title_justify="left")  # fmt: skip
    for row in rows[:_MANY]:
        where = row["node"] or reason_in_english(row["reason"])
        table.add_row(
            row["job_id"], row["user"], row["state"].lower(), row["seconds"], escape(where)
        )
    if len(rows) > _MANY:
        table.add_row("…", "", "", "", f"and {len(rows) - _MANY} more")
    return table

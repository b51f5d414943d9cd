"""What is wrong with a cluster, in sentences: which part, why, and what to do. Pure.

Red is whatever would keep a student from running now, or will soon.
"""

from collections.abc import Iterator
from typing import Any

from cfiddle_slurm.cluster.health import disks
from cfiddle_slurm.cluster.health.check import MOST_SKEW_SECONDS
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.slurm_states import BEING_REPLACED, MARK, reason_is_a_machines

MOST_BACKLOG = 1000
"""Messages for accounting that wait in the controller, which keeps about 10,000."""
_CLI = "cfiddle-cluster"
_ADVICE = (
    ("the sandbox image is missing", f"run `{_CLI} images push`"),
    ("Docker does not answer", "start Docker there (`systemctl restart docker`)"),
    ("Docker's disk is full", "make room there (`docker system df` says what takes it)"),
    ("Docker cannot", "look at Docker's log there (`journalctl -u docker`)"),
    ("the sandbox service does not answer", f"see `{_CLI} logs sandboxd`"),
    (BEING_REPLACED, "it comes back by itself"),
    ("restarted", "it comes back by itself"),
)
_ELSE = f"it comes back by itself when the cause is gone; see `{_CLI} logs worker`"


def of(facts: dict[str, Any]) -> list[str]:
    """A sentence for each thing that is wrong; none when all is well."""
    found = [*_of_services(facts["services"])]
    for machine in facts["machines"]:
        found += _of_machine(machine)
    if facts["unanswered"]:
        return [*found, one_line(facts["unanswered"])]
    for worker in facts["workers"]:
        found += _of_worker(worker)
    return [*found, *_of_strangers(facts), *_of_slurm(facts)]


def _of_services(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        if not row["ok"]:
            yield (
                f"The service {row['name']} is healthy on {row['healthy']} of {row['wanted']}"
                f" machines: see `{_CLI} logs {row['name']}`."
            )


def _of_machine(row: dict[str, Any]) -> Iterator[str]:
    name = row["name"]
    if not row["ready"]:
        yield f"{name}: the swarm has lost contact with it: is it on, and is Docker running there?"
    elif row.get("trouble"):
        yield f"{name}: {one_line(row['trouble'])}"
    if not is_timely(row):
        yield f"{name}: its clock is {row['clock_off']:.0f} s off: set it, for example by NTP."
    for disk in row["disks"]:
        if disk["low"]:
            yield disks.trouble(name, disk)


def is_timely(row: dict[str, Any]) -> bool:
    """Whether a machine's clock is right enough for munge."""
    return float(row["clock_off"]) <= MOST_SKEW_SECONDS


def _of_worker(row: dict[str, Any]) -> Iterator[str]:
    name, reason = row["name"], one_line(row["reason"])
    if row["usable"]:
        return
    if reason and not reason_is_a_machines(reason):
        yield f"{name}: out of service ({reason}); `{_CLI} worker resume {name}` puts it back."
    elif "not_responding" in row["state"] or not reason:
        yield f"{name}: does not answer Slurm ({row['state']}); see `{_CLI} logs worker`."
    else:
        cause = reason.removeprefix(MARK)
        advice = next((what for words, what in _ADVICE if cause.startswith(words)), _ELSE)
        yield f"{name}: {cause}: {advice}."


def _of_strangers(facts: dict[str, Any]) -> Iterator[str]:
    members = {row["name"] for row in facts["machines"] if "worker" in row["roles"]}
    nodes = {row["name"] for row in facts["workers"]}
    for name in sorted(members - nodes):
        yield (
            f"{name}: Slurm does not know this worker, so it gets no jobs: see"
            f" `{_CLI} logs worker`."
        )
    for name in sorted(nodes - members):
        yield (
            f"{name}: Slurm has a worker of this name, but the swarm has none: `scontrol delete"
            f" NodeName={name}` in `{_CLI} shell controller` removes it."
        )
    if not members:
        yield f"There is no worker: `{_CLI} worker add HOST` adds one."


def _of_slurm(facts: dict[str, Any]) -> Iterator[str]:
    if facts["partition"] != "UP":
        yield (
            f"No job starts: Slurm's partition is {facts['partition']}. That is normal for some"
            f" seconds after the controller starts; later see `{_CLI} logs controller`."
        )
    if (facts["backlog"] or 0) > MOST_BACKLOG:
        yield (
            f"Accounting is {facts['backlog']} messages behind: see `{_CLI} logs accounting` and"
            f" `{_CLI} logs database`."
        )

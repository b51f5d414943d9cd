"""What `status` knows: services, machines and their disks, workers, the queue, what is wrong."""

import time
from dataclasses import asdict
from typing import Any

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.health import disks, troubles
from cfiddle_slurm.cluster.health.check import skew
from cfiddle_slurm.cluster.health.tables import shown as shown
from cfiddle_slurm.cluster.hosts import conversations
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.members import swarm, swarm_state
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import ProcessError

_FACTS = f"date +%s.%N\n{disks.SCRIPT}"


def gather(head: Machine, user: str) -> dict[str, Any]:
    """All facts, as plain data. Sizes are in bytes.

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
        facts |= asdict(slurm.diagnosis(head))
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
        facts["disks"] = disks.as_facts(disks.parse(found))
        label = f"--filter=label={stack.SANDBOX_LABEL}"
        facts["sandboxes"] = len(machine.docker("ps", "--quiet", label).split())
    except (ClusterError, ProcessError) as error:
        facts["trouble"] = str(error)
    return facts


def healthy(facts: dict[str, Any]) -> bool:
    """Whether everything is as it should be."""
    return not troubles.of(facts)

"""One worker at a time: how it comes, is withdrawn and resumed, and goes."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from cfiddle_slurm.cluster.changes import provision, upgrade
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, head_of, require
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.members import identity, swarm, swarm_state
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.site.config import ADDRESS, Config, ConfigError, set_workers
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import ProcessError

Say = Callable[[str], None]
DRAINED = "drained by the administrator"
"""Why, where nobody says it."""


def add(config: Config, file: Path, address: str, say: Say) -> str:
    """Make a machine a worker. Returns its name in Slurm.

    Raises:
        ConfigError: it is the head.
        MachineError, NotHealthy: it cannot be one.
    """
    if not ADDRESS.fullmatch(address):
        raise ConfigError(f"{address!r} is not the name or address of a machine.")
    head, worker = head_of(config), Machine(address, config.ssh_user)
    replace(config, workers=tuple(dict.fromkeys((*config.workers, address))))  # it may be refused
    require(head)
    if not swarm_state.check(head):
        raise MachineError("The cluster is not up: `up` starts it.")
    worker, listed = _known(config, head, worker, say)
    config = replace(config, workers=listed)
    if config.home == "nfs":
        provision.machine(head, config, say)  # exports the homes to the new one, too
    provision.machine(worker, config, say)
    require(worker)
    swarm.join(worker, head)
    swarm.settle(head, worker)
    in_use = upgrade.images_in_use(upgrade.deployed(head))
    failures = distribution.push(head, [head, worker], say, registry=config.registry)
    failures |= distribution.push_older(head, [worker], in_use, say)
    for error in failures.values():
        raise error
    swarm.give_roles(head, worker, "worker")
    name = worker.docker("info", "--format={{.Name}}")
    if any(node.name == name and node.reason == slurm.REMOVED for node in slurm.nodes(head)):
        slurm.resume(head, name)  # whoever removed it was interrupted
    slurm.wait_until_usable(head, [name])
    set_workers(file, listed)
    return name


def _known(
    config: Config, head: Machine, worker: Machine, say: Say
) -> tuple[Machine, tuple[str, ...]]:
    """The machine by the address under which it is known, and all workers' addresses with it."""
    who = {head: identity.ask(head), worker: identity.glimpse(worker)}
    members = swarm.members(head)
    elsewhere = identity.others(who, members, config.ssh_user)
    identity.check(head, who, members, elsewhere)
    me = who[worker]
    workers = config.workers
    for member in members:
        same = member.node_id == me.node_id or member.hostname == me.hostname
        if not same or member.address in ("", worker.address):
            continue
        other = elsewhere.get(member.address)
        if other is not None and other.is_at_the_place_of(me):
            say(f"{worker} is {me.hostname}, already known as {member.address}; that stays")
            worker = Machine(member.address, config.ssh_user)
        else:
            say(f"{me.hostname} is now reached at {worker} instead of {member.address}")
            workers = tuple(one for one in workers if one != member.address)
    return worker, tuple(dict.fromkeys((*workers, worker.address)))


def remove(config: Config, file: Path, name: str, seconds: float, say: Say) -> None:
    """Make a worker none, once its present job has ended; no other job is disturbed.

    Args:
        name: its ssh address or its name; an alias will do.
        seconds: how long its job may take.

    Raises:
        MachineError: there is no such worker, or its job does not end.
    """
    head = head_of(config)
    swarm_state.check(head)
    members = swarm.members(head)
    own = swarm.node_id(head)
    member = _resolved(members, name, config)
    if member is None:
        if name not in config.workers:
            raise _no_worker(name, members)
        _write_without(config, file, {name})  # it never came so far as to join
        return
    if member.node_id == own:
        raise MachineError(
            f"{name} is the head ({member.hostname}), which cannot be removed: `down` takes the"
            " cluster down."
        )
    _check_it_may_leave(member, config)
    known = {node.name for node in slurm.nodes(head)}
    if member.hostname in known:
        slurm.drain(head, member.hostname, slurm.REMOVED)
        if member.ready:
            slurm.wait_until_free(head, member.hostname, seconds, say)
    swarm.take_role(head, member, "worker")
    if member.address:
        leave(swarm.machine_of(member, config.ssh_user), [member], purge=False, say=say)
    lives = [one for one in members if one.hostname == member.hostname and one.node_id != own]
    for one in lives:
        swarm.forget(head, one)
    if member.hostname in known:
        slurm.delete(head, member.hostname)
    _write_without(config, file, {name, *(one.address for one in lives)})


def _resolved(members: list[Member], name: str, config: Config) -> Member | None:
    """The member that is called so, is reached so, or is found there."""
    called = _called(members, name)
    if called is not None or not ADDRESS.fullmatch(name):
        return called
    try:
        there = identity.ask(Machine(name, config.ssh_user))
    except (MachineError, ProcessError):
        return None
    return next((member for member in members if member.node_id == there.node_id), None)


def _called(members: Iterable[Member], name: str) -> Member | None:
    """The member that is called so, or is reached so; one that lives before its earlier lives."""
    found = [member for member in members if name in (member.address, member.hostname)]
    return max(found, key=lambda member: member.ready, default=None)


def _check_it_may_leave(member: Member, config: Config) -> None:
    """Make sure that its address has not become another machine's while it is still at work."""
    if not member.address or not member.ready:
        return
    machine = swarm.machine_of(member, config.ssh_user)
    try:
        there = identity.ask(machine)
    except (MachineError, ProcessError):
        return  # whoever takes it out is told so
    if there.node_id != member.node_id:
        raise MachineError(
            f"{machine} now leads to another machine ({there.hostname}), not to the worker"
            f" {member.hostname}: run `worker add` with the worker's current address first."
        )


def _write_without(config: Config, file: Path, gone: set[str]) -> None:
    left = tuple(one for one in config.workers if one not in gone)
    if left != config.workers:
        set_workers(file, left)


def leave(
    machine: Machine,
    members: Iterable[Member],
    *,
    purge: bool,
    say: Say,
    former: tuple[str, ...] = (),
) -> None:
    """Let a machine leave the swarm, if it is the very member; what does not answer is told of.

    Args:
        members: those of the swarm that it may be one of; all others are left alone.
        purge: whether its data are removed.
        former: the managers of a swarm that is over, which it may be in still.
    """
    try:
        there = identity.ask(machine)
        is_over = there.state == "active" and there.managers == former
        if is_over or any(there.node_id == one.node_id for one in members):
            swarm.leave(machine)
        elif there.state not in ("inactive", "active") and there.hostname in {
            one.hostname for one in members
        }:
            swarm.leave_dead(machine)  # its certificate has expired, for instance
        elif there.state != "inactive":
            say(f"{machine} ({there.hostname}) belongs to another swarm and was left alone")
            return
        stack.wait_until_gone(machine)
        if purge:
            stack.remove_volumes(machine)
    except (ClusterError, ProcessError) as error:
        say(str(error))


def drain(head: Machine, member: Member, reason: str | None) -> None:
    """Have a worker take no more jobs; its present one goes on.

    Args:
        reason: if there is none, the one that somebody gave before stays.

    Raises:
        MachineError: the reason is one of those that machines give, or Slurm refused.
    """
    known = (node for node in slurm.nodes(head) if node.name == member.hostname)
    given = next((node.reason for node in known if node.kept_out), "")
    slurm.drain(head, member.hostname, reason or given or DRAINED)


def resume(head: Machine, address: str) -> str:
    """Have a worker take jobs again, whoever withdrew it.

    Args:
        address: its ssh address or its name.

    Returns:
        Its name in Slurm.

    Raises:
        MachineError: it is no worker, or takes no jobs even so: it does not respond, for instance.
    """
    name = find(head, address).hostname
    if any(node.name == name and node.withdrawn for node in slurm.nodes(head)):
        slurm.resume(head, name)
    slurm.wait_until_usable(head, [name])
    return name


def find(head: Machine, name: str) -> Member:
    """A worker by its address or its name.

    Raises:
        MachineError: there is none.
    """
    swarm_state.check(head)
    workers = [member for member in swarm.members(head) if "worker" in member.roles]
    found = _called(workers, name)
    if found is None:
        raise _no_worker(name, workers)
    return found


def _no_worker(name: str, members: Iterable[Member]) -> MachineError:
    known = sorted({one.hostname for one in members if "worker" in one.roles})
    return MachineError(
        f"There is no worker {name!r}; the workers are {', '.join(known) or 'none'}."
    )

"""Bring a cluster up, change it, take it down. Each step does only what is missing."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from cfiddle_slurm.cluster.changes import limits, revival, unchanged, upgrade
from cfiddle_slurm.cluster.changes import workers as workers_
from cfiddle_slurm.cluster.changes.upgrade import Postponed
from cfiddle_slurm.cluster.hosts.fleet import Fleet
from cfiddle_slurm.cluster.hosts.machines import (
    Machine,
    MachineError,
    all_of,
    head_of,
    on_each,
    require,
    require_one,
)
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.image.images import IMAGES, SANDBOX
from cfiddle_slurm.cluster.members import identity, swarm, swarm_state
from cfiddle_slurm.cluster.people import accounts, quotas
from cfiddle_slurm.cluster.services import credentials, rendering, slurm, stack
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.process import ProcessError

Say = Callable[[str], None]
_OURS = (slurm.RETIRING, slurm.REMOVED)
"""Why workers were withdrawn by what was interrupted since."""


def up(config: Config, seconds: float, say: Say, *, now: bool = False) -> Postponed | None:
    """Start the cluster, or bring a running one up to date.

    Workers that cannot take part do not hold up the others.

    Args:
        seconds: how long its services may take to become healthy.
        now: whether the user node is replaced even if that cuts somebody off.

    Returns:
        What was left out, so that nobody is.

    Raises:
        Incomplete: it is up, but for some workers, which the message names with their reasons.
        MachineError, NotHealthy, AccountError, ProcessError: it is not up; trying again goes on
            from where this ended.
    """
    head, *workers = all_of(config)
    require([head])
    revival.renew_if_expired(head, say)
    swarm_state.check(head)
    distribution.check_built(head)
    unchanged.check(head, config)
    if workers:
        # An ssh address may be an alias that other machines do not know.
        config = replace(config, advertise=swarm.address_of(head, config.advertise))
    fleet = Fleet(workers, say)
    fleet.each(require_one)
    check_machines(head, fleet, config)
    check_port(head, config.jupyter_port)
    make_swarm(head, fleet, config)
    credentials.ensure(head)
    stack.ensure_home(head, config)
    accounts.add(head, accounts.TEST_ACCOUNTS)
    before = upgrade.deployed(head)
    registry = config.registry and bool(workers)
    fleet.lose(distribution.push(head, [head, *fleet.machines], say, registry=registry))
    in_use = upgrade.images_in_use(before)
    fleet.lose(distribution.push_older(head, fleet.machines, in_use, say))
    config = rendering.pinned(config, stack.versioned(head, SANDBOX))
    # Only now: a machine's services start with its role, and they need its images.
    give_roles(head, fleet, alone=not workers)
    swarm.remove_left_links(head)
    fleet.each(swarm.remove_left_links)
    variables = upgrade.roll_out(head, config, before, seconds)
    if upgrade.may_be_deployed_at_once(head, before, variables):
        stack.deploy_user_node(head, config, variables)
    stack.wait_until_healthy(head, seconds, say)
    limits.publish(head, config)
    enable(head, config, fleet.machines)
    if config.home_quota:
        uids = [account.uid for account in accounts.listed(head)]
        say(quotas.apply(head, config, uids) or "every home has its quota")
    # Last: its notebooks are to find all that they need.
    postponed = upgrade.settle(head, config, variables, now=now, seconds=seconds, say=say)
    stack.remove_old_configuration(head, config)
    in_use = upgrade.images_in_use(upgrade.deployed(head))
    tidy(head, in_use)
    fleet.each(lambda worker: tidy(worker, in_use))
    if postponed and fleet.lost:
        say(str(postponed))
    fleet.finish("The rest is up.")
    return postponed


def check_machines(head: Machine, fleet: Fleet, config: Config) -> None:
    """Make sure that all are machines of their own, and of this cluster, before any is changed.

    Raises:
        MachineError: two addresses lead to one machine, for instance.
    """
    if not fleet.machines:
        return
    me = identity.ask(head)
    members = []
    if me.state == "active":
        members = swarm.members(head)
    else:
        # A worker may still be in the swarm that this head had before.
        me = replace(me, managers=(f"{config.advertise}:{swarm.PORT}",))
    who = {head: me, **fleet.each(identity.ask)}
    elsewhere = identity.others(who, members, config.ssh_user)
    identity.check(head, who, members, elsewhere)


def check_port(head: Machine, port: int) -> None:
    """Make sure that Jupyter can have its port, unless it has it already.

    Raises:
        MachineError: something else listens there.
    """
    if swarm.state(head) == "active" and port in stack.published_ports(head):
        return
    done = head.shell(f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port:d}'")
    if done.status == 0:
        raise MachineError(
            f"Something else listens at port {port} of {head}: set another jupyter_port."
        )


def make_swarm(head: Machine, fleet: Fleet, config: Config) -> None:
    """Make the head a manager, and let the workers join it."""
    swarm.make(head, config.advertise if config.workers else "")
    fleet.each(lambda worker: swarm.join(worker, head))
    fleet.in_turn(lambda worker: swarm.settle(head, worker))


def give_roles(head: Machine, fleet: Fleet, *, alone: bool) -> None:
    """Say in the swarm what each machine is for.

    Args:
        alone: whether there are no workers, and the head measures itself.
    """
    swarm.give_roles(head, head, "head", "user", *(["worker"] if alone else []))
    if not alone:
        for member in swarm.workers(head):
            if member.node_id == swarm.node_id(head):
                swarm.take_role(head, member, "worker")
    fleet.in_turn(lambda worker: swarm.give_roles(head, worker, "worker"))


def enable(head: Machine, config: Config, workers: Iterable[Machine] = ()) -> None:
    """Let the accounts use the workers, once both are there.

    Args:
        workers: those that are there; others are waited for only if they are ready.
    """
    slurm.ensure_users(head, [a.name for a in accounts.listed(head)], config.queued_jobs)
    there = {worker.address for worker in workers}
    names = [one.hostname for one in swarm.workers(head) if one.ready or one.address in there]
    for node in slurm.nodes(head):
        if node.name in names and node.reason in _OURS and not node.usable:
            slurm.resume(head, node.name)
    # What a person took out of service stays so, and is nothing to wait for.
    kept_out = {node.name for node in slurm.nodes(head) if node.kept_out}
    wanted = [name for name in names if name not in kept_out]
    slurm.wait_until_usable(head, wanted, workers_.USABLE_SECONDS)


def tidy(machine: Machine, in_use: Collection[str]) -> None:
    """Remove what earlier versions of images have left on a machine.

    Args:
        in_use: tags that stay, whether a container uses them just now or not.
    """
    current = distribution.digests(machine)
    for image in IMAGES:
        keep = {image.tag, image.tag_of(current.get(image.name, "")), *in_use}
        listing = ("image", "ls", "--format={{.Repository}}:{{.Tag}}", image.name)
        for tag in machine.docker(*listing).split():
            if tag not in keep:
                # Refused while a container still uses it: then it stays until the next time.
                machine.try_docker("image", "rm", tag)


def down(config: Config, *, purge: bool, say: Say) -> None:
    """Take the cluster down. Data stay, unless they are to be purged.

    Raises:
        MachineError, NotHealthy: something could not be removed.
    """
    head = head_of(config)
    require([head])
    swarm_state.check(head)
    members: list[swarm.Member] = []
    own = ""
    if swarm.state(head) == "active":
        members, own = swarm.members(head), swarm.node_id(head)
        cancel_all(head)
        stack.remove(head)
    distribution.remove_registry(head)
    others = [member for member in members if member.node_id != own]
    machines = [Machine(address, config.ssh_user) for address in config.workers]
    machines += [swarm.machine_of(one, config.ssh_user) for one in others if one.address]
    former: tuple[str, ...] = ()
    if machines:  # one that was off the last time
        former = (f"{swarm.address_of(head, config.advertise)}:{swarm.PORT}",)
    on_each(
        dict.fromkeys(machines),
        lambda each: workers_.leave(each, others, purge=purge, say=say, former=former),
    )
    if swarm.was_made_here(head):
        swarm.leave(head)
    elif swarm.state(head) == "active":
        credentials.remove(head)
    if purge:
        stack.remove_volumes(head)


def cancel_all(head: Machine) -> None:
    """End all jobs: services that stop would wait for them."""
    try:
        jobs = [job.job_id for job in slurm.queue(head)]
        if jobs:
            slurm.command(head, "scancel", "--quiet", *jobs)
    except (MachineError, ProcessError, stack.NotHealthy):
        return  # without a controller nothing can be asked of it

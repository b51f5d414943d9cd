"""Bring a cluster up, change it, take it down. Each step does only what is missing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cfiddle_slurm.cluster import (
    accounts,
    credentials,
    distribution,
    provision,
    quotas,
    slurm,
    stack,
    swarm,
)
from cfiddle_slurm.cluster import (
    config as config_,
)
from cfiddle_slurm.cluster.config import Config
from cfiddle_slurm.cluster.images import IMAGES
from cfiddle_slurm.cluster.machines import (
    Machine,
    MachineError,
    all_of,
    head_of,
    on_each,
    require,
)
from cfiddle_slurm.process import ProcessError

Say = Callable[[str], None]
_USABLE_SECONDS = 60.0


def up(config: Config, seconds: float, say: Say) -> None:
    """Start the cluster, or bring a running one up to date.

    Args:
        seconds: how long its services may take to become healthy.

    Raises:
        MachineError, NotHealthy, AccountError, ProcessError: it is not up; trying again goes on
            from where this ended.
    """
    head, *workers = all_of(config)
    require([head, *workers])
    distribution.check_built(head)
    if workers:
        # An ssh address may be an alias that other machines do not know.
        config = replace(config, advertise=swarm.address_of(head, config.advertise))
    check_port(head, config.jupyter_port)
    make_swarm(head, workers, config)
    credentials.ensure(head)
    stack.ensure_home(head, config)
    accounts.add(head, accounts.TEST_ACCOUNTS)
    distribution.push(head, [head, *workers], say, registry=config.registry and bool(workers))
    # Only now: a machine's services start with its role, and they need its images.
    give_roles(head, workers)
    stack.deploy(head, config)
    stack.wait_until_healthy(head, seconds, say)
    enable(head, config)
    if config.home_quota:
        uids = [account.uid for account in accounts.listed(head)]
        say(quotas.apply(head, config, uids) or "every home has its quota")
    tidy(head, config)


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


def make_swarm(head: Machine, workers: list[Machine], config: Config) -> None:
    """Make the head a manager, and let the workers join it."""
    swarm.make(head, config.advertise if workers else "")
    on_each(workers, lambda worker: swarm.join(worker, head))


def give_roles(head: Machine, workers: list[Machine]) -> None:
    """Say in the swarm what each machine is for; a head without workers measures itself."""
    swarm.give_roles(head, head, "head", "user", *([] if workers else ["worker"]))
    if workers:
        for member in swarm.workers(head):
            if member.node_id == swarm.node_id(head):
                swarm.take_role(head, member, "worker")
    for worker in workers:
        swarm.give_roles(head, worker, "worker")


def enable(head: Machine, config: Config) -> None:
    """Let the accounts use the workers, once both are there."""
    slurm.ensure_users(head, [a.name for a in accounts.listed(head)], config.queued_jobs)
    names = [member.hostname for member in swarm.workers(head)]
    for node in slurm.nodes(head):
        if node.name in names and node.reason == slurm.RETIRING and not node.usable:
            slurm.resume(head, node.name)
    slurm.wait_until_usable(head, names, _USABLE_SECONDS)


def tidy(head: Machine, config: Config) -> None:
    """Remove what earlier versions of images and configuration left."""
    stack.remove_old_configuration(head, config)
    for machine in all_of(config):
        current = distribution.digests(machine)
        for image in IMAGES:
            keep = (image.tag, image.tag_of(current.get(image.name, "")))
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
    members: list[swarm.Member] = []
    if swarm.state(head) == "active":
        members = swarm.members(head)
        cancel_all(head)
        stack.remove(head)
    distribution.remove_registry(head)
    workers = [Machine(address, config.ssh_user) for address in config.workers]
    for member in members:
        if member.address and member.node_id != swarm.node_id(head):
            machine = swarm.machine_of(member, config.ssh_user)
            workers += [machine] if machine not in workers else []
    on_each(workers, lambda worker: leave(worker, purge=purge, say=say))
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


def leave(worker: Machine, *, purge: bool, say: Say) -> None:
    """Let a worker leave the swarm; one that does not answer is told of, and left alone."""
    try:
        swarm.leave(worker)
        stack.wait_until_gone(worker)
        if purge:
            stack.remove_volumes(worker)
    except (MachineError, ProcessError, stack.NotHealthy) as error:
        say(str(error))


def add_worker(config: Config, file: Path, address: str, say: Say) -> str:
    """Make a machine a worker. Returns its name in Slurm.

    Raises:
        ConfigError: it is the head.
        MachineError, NotHealthy: it cannot be one.
    """
    head, worker = head_of(config), Machine(address, config.ssh_user)
    config = replace(config, workers=tuple(dict.fromkeys((*config.workers, address))))
    worker.check_shell("true")
    if config.home == "nfs":
        provision.machine(head, config, say)  # exports the homes to the new one, too
    provision.machine(worker, config, say)
    require([head, worker])
    swarm.join(worker, head)
    distribution.push(head, [head, worker], say, registry=config.registry)
    swarm.give_roles(head, worker, "worker")
    name = worker.docker("info", "--format={{.Name}}")
    slurm.wait_until_usable(head, [name], _USABLE_SECONDS)
    config_.set_workers(file, config.workers)
    return name


def remove_worker(config: Config, file: Path, address: str, seconds: float, say: Say) -> bool:
    """Make a worker none, once its present job has ended; no other job is disturbed.

    Args:
        address: its ssh address or its name.
        seconds: how long its job may take.

    Returns:
        Whether it was one before.

    Raises:
        MachineError: its job does not end.
    """
    head = head_of(config)
    member = _named(swarm.workers(head), address)
    if member is None:
        if address in config.workers:  # it never came so far as to join
            config_.set_workers(file, tuple(one for one in config.workers if one != address))
        return address in config.workers
    known = {node.name for node in slurm.nodes(head)}
    if member.hostname in known:
        slurm.drain(head, member.hostname, "removed by the administrator")
        if member.ready:
            slurm.wait_until_free(head, member.hostname, seconds, say)
    swarm.take_role(head, member, "worker")
    if member.address:
        leave(swarm.machine_of(member, config.ssh_user), purge=False, say=say)
    swarm.forget(head, member)
    if member.hostname in known:
        slurm.delete(head, member.hostname)
    config_.set_workers(file, tuple(one for one in config.workers if one != member.address))
    return True


def resume_worker(head: Machine, address: str) -> str:
    """Have a worker take jobs again, whoever withdrew it.

    Args:
        address: its ssh address or its name.

    Returns:
        Its name in Slurm.

    Raises:
        MachineError: it is no worker, or takes no jobs even so: it does not respond, for instance.
    """
    name = find_worker(head, address).hostname
    if any(node.name == name and node.withdrawn for node in slurm.nodes(head)):
        slurm.resume(head, name)
    slurm.wait_until_usable(head, [name], _USABLE_SECONDS)
    return name


def _named(members: list[swarm.Member], name: str) -> swarm.Member | None:
    return next((one for one in members if name in (one.address, one.hostname)), None)


def find_worker(head: Machine, name: str) -> swarm.Member:
    """A worker by its address or its name.

    Raises:
        MachineError: there is none.
    """
    workers = swarm.workers(head)
    member = _named(workers, name)
    if member is None:
        known = ", ".join(one.hostname for one in workers) or "none"
        raise MachineError(f"There is no worker {name!r}; there are {known}.")
    return member

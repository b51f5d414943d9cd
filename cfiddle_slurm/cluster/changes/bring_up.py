"""The steps of ``up``: what each needs, and how one sees whether it is done."""

from collections.abc import Collection
from dataclasses import replace

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.changes.upgrade import Work
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, require
from cfiddle_slurm.cluster.image import distribution, labels
from cfiddle_slurm.cluster.image.images import CLUSTER, IMAGES, SANDBOX, USER
from cfiddle_slurm.cluster.members import identity, swarm
from cfiddle_slurm.cluster.people import accounts, quotas
from cfiddle_slurm.cluster.services import rendering, slurm, stack
from cfiddle_slurm.cluster.site.config import Config

_OURS = (slurm.RETIRING, slurm.REMOVED)
"""Why workers were withdrawn by what was interrupted since."""
# On the shared home, beside the accounts, and not a configuration of the user node's service: a new
# policy must not replace that service, and every notebook with it. By rename: a reader sees the
# old file or the new one.
_WRITE_LIMITS = """
set -eu
umask 022
install -d -o root -g root -m 0755 /home/.accounts
cat >/home/.accounts/.limits.toml
mv /home/.accounts/.limits.toml /home/.accounts/limits.toml
"""


def reach_workers(work: Work) -> None:
    """Drop the workers that do not answer."""
    # An ssh address may be an alias that other machines do not know.
    advertise = swarm.address_of(work.head, work.config.advertise)
    work.config = replace(work.config, advertise=advertise)
    work.fleet.each(require)


def check_machines(work: Work) -> None:
    """Make sure that all are machines of their own, and of this cluster, before any is changed.

    Raises:
        MachineError: two addresses lead to one machine, for instance.
    """
    head, config = work.head, work.config
    me = identity.ask(head)
    members = []
    if me.state == "active":
        members = swarm.members(head)
    else:
        # A worker may still be in the swarm that this head had before.
        me = replace(me, managers=(f"{config.advertise}:{swarm.PORT}",))
    who = {head: me, **work.fleet.each(identity.ask)}
    elsewhere = identity.others(who, members, config.ssh_user)
    identity.check(head, who, members, elsewhere)


def check_port(work: Work) -> None:
    """Make sure that Jupyter can have its port, unless it has it already.

    Raises:
        MachineError: something else listens there.
    """
    head, port = work.head, work.config.jupyter_port
    if swarm.state(head) == "active" and port in stack.published_ports(head):
        return
    done = head.shell(f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port:d}'")
    if done.status == 0:
        raise MachineError(
            f"Something else listens at port {port} of {head}: set another jupyter_port."
        )


def make_swarm(work: Work) -> None:
    """Make the head a manager, and let the workers join it."""
    head = work.head
    swarm.make(head, "" if work.alone else work.config.advertise)
    work.fleet.each(lambda worker: swarm.join(worker, head))
    work.fleet.in_turn(lambda worker: swarm.settle(head, worker))


def are_members(work: Work) -> bool:
    """Whether :func:`make_swarm` has nothing to do."""
    if swarm.state(work.head) != "active":
        return False
    known = {member.node_id: member.address for member in swarm.members(work.head)}
    return all(known.get(one) == at.address for at, one in work.fleet.each(swarm.node_id).items())


def bring_images(work: Work) -> None:
    """Bring the machines the head's images, and those that open notebooks still need."""
    head, fleet, say = work.head, work.fleet, work.say
    work.before = upgrade.deployed(head)
    registry = work.config.registry and not work.alone
    fleet.lose(distribution.push(head, [head, *fleet.machines], say, registry=registry))
    in_use = upgrade.images_in_use(work.before)
    fleet.lose(distribution.push_older(head, fleet.machines, in_use, say))
    work.config = rendering.pinned(work.config, stack.versioned(head, SANDBOX))


def give_roles(work: Work) -> None:
    """Say in the swarm what each machine is for."""
    head = work.head
    swarm.give_roles(head, head, *work.heads_roles)
    if not work.alone:
        for member in swarm.workers(head):
            if member.node_id == swarm.node_id(head):
                swarm.take_role(head, member, "worker")
    work.fleet.in_turn(lambda worker: swarm.give_roles(head, worker, "worker"))


def have_roles(work: Work) -> bool:
    """Whether :func:`give_roles` has nothing to do."""
    roles = {member.node_id: member.roles for member in swarm.members(work.head)}
    ids = work.fleet.each(swarm.node_id).values()
    return roles[swarm.node_id(work.head)] == {*work.heads_roles} and all(
        "worker" in roles.get(one, ()) for one in ids
    )


def remove_left_links(work: Work) -> None:
    """Remove the ends of networks that engines have left."""
    swarm.remove_left_links(work.head)
    work.fleet.each(swarm.remove_left_links)


def _wanted(work: Work) -> tuple[Config, dict[str, str]]:
    """What would be deployed: the cluster, and what the compose files' variables stand for."""
    digests = distribution.check_built(work.head)
    cluster, sandbox, user = (i.tag_of(digests[i.name]) for i in (CLUSTER, SANDBOX, USER))
    config = rendering.pinned(work.config, sandbox)
    memory = stack.user_memory(work.head, config)
    return config, rendering.environment(config, cluster, user, memory)


def services_are_current(work: Work) -> bool:
    """Whether all services but the user node have the newest images and configuration."""
    found = upgrade.deployed(work.head)
    if not found.keys() >= rendering.services(work.config):
        return False
    config, variables = _wanted(work)
    files = {file.name for file in rendering.configuration(config)}
    newest = found[upgrade.NEWEST]
    return (
        files <= stack.configurations(work.head)
        and all(found[name].image == newest.image for name in rendering.services(config))
        and newest.image == variables["CFIDDLE_CLUSTER_IMAGE"]
        and newest.edition == variables[rendering.EDITION]
        and newest.sandbox == variables[rendering.SANDBOX_IMAGE]
    )


def user_node_is_current(work: Work) -> bool:
    """Whether the user node is the one that goes with the rest."""
    user = upgrade.deployed(work.head).get(upgrade.USER)
    return user is not None and user.edition == _wanted(work)[1][rendering.EDITION]


def is_healthy(work: Work) -> bool:
    """Whether all services are healthy."""
    found = stack.services(work.head)
    return bool(found) and all(service.is_healthy for service in found)


def publish_limits(work: Work) -> None:
    """Write what the policy allows, and the image has, where the user node's settings look."""
    libraries = labels.libraries_of(work.head, work.config.policy.images[0])
    work.head.docker(
        "run", "--rm", "--interactive", "--network=none", f"--volume={stack.HOME_VOLUME}:/home",
        "--entrypoint=/bin/sh", CLUSTER.tag, "-c", _WRITE_LIMITS,
        input=rendering.limits_toml(work.config.policy, libraries).encode(),
    )  # fmt: skip


def enable(work: Work) -> None:
    """Let the accounts use the workers, once both are there."""
    head = work.head
    slurm.ensure_users(head, [a.name for a in accounts.listed(head)], work.config.queued_jobs)
    # Others are waited for only if they are ready.
    there = {worker.address for worker in work.fleet.machines}
    names = [one.hostname for one in swarm.workers(head) if one.ready or one.address in there]
    for node in slurm.nodes(head):
        if node.name in names and node.reason in _OURS and not node.usable:
            slurm.resume(head, node.name)
    # What a person took out of service stays so, and is nothing to wait for.
    kept_out = {node.name for node in slurm.nodes(head) if node.kept_out}
    wanted = [name for name in names if name not in kept_out]
    slurm.wait_until_usable(head, wanted)


def set_quotas(work: Work) -> None:
    """Bound what each home may hold."""
    uids = [account.uid for account in accounts.listed(work.head)]
    work.say(quotas.apply(work.head, work.config, uids) or "every home has its quota")


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


def tidy_all(work: Work) -> None:
    """Remove what earlier versions have left."""
    stack.remove_old_configuration(work.head, work.config)
    in_use = upgrade.images_in_use(upgrade.deployed(work.head))
    tidy(work.head, in_use)
    work.fleet.each(lambda worker: tidy(worker, in_use))

"""Docker's swarm: which machines are in it, what each of them is for, and how they come and go."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.members import swarm_state
from cfiddle_slurm.cluster.site.config import LOCAL

ROLES = ("head", "worker", "user")
_ADDRESS = "cfiddle.address"
_MADE_HERE = "cfiddle.swarm"
_JOIN_SECONDS = 60
PORT = 2377
CERTIFICATE_HOURS = 5 * 365 * 24
"""Machines that run renew their certificates when between a half and four fifths of this is over:
one that is off for a year comes back. Docker's own default of 90 days is over after a summer."""
_EXPIRY = f"--cert-expiry={CERTIFICATE_HOURS}h"


@dataclass(frozen=True)
class Member:
    """A machine of the swarm.

    Attributes:
        node_id: the swarm's id of it.
        hostname: its own name, which is also its name in Slurm.
        address: its ssh address; empty if this program did not bring it in.
        roles: what it is for.
        ready: whether the swarm hears of it.
        labels: all that is noted about it.
    """

    node_id: str
    hostname: str
    address: str
    roles: frozenset[str]
    ready: bool
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)


def parse_members(text: str) -> list[Member]:
    """Members from the lines of ``docker node inspect --format '{{json .}}'``."""
    found = []
    for line in text.splitlines():
        told: dict[str, Any] = json.loads(line)
        labels = told["Spec"].get("Labels") or {}
        roles = frozenset(role for role in ROLES if labels.get(f"cfiddle.{role}") == "true")
        hostname, ready = told["Description"]["Hostname"], told["Status"]["State"] == "ready"
        found.append(Member(told["ID"], hostname, labels.get(_ADDRESS, ""), roles, ready, labels))
    return found


def state(machine: Machine) -> str:
    """``inactive``, ``pending``, ``active`` or ``locked``, as its engine says."""
    return machine.docker("info", "--format={{.Swarm.LocalNodeState}}")


def node_id(machine: Machine) -> str:
    """The swarm's id of a machine; empty outside a swarm."""
    return machine.docker("info", "--format={{.Swarm.NodeID}}")


def members(head: Machine) -> list[Member]:
    """All machines of the head's swarm.

    Raises:
        MachineError: the head is no manager of a swarm.
    """
    ids = head.docker("node", "ls", "--quiet").split()
    return parse_members(head.docker("node", "inspect", "--format={{json .}}", *ids))


def workers(head: Machine) -> list[Member]:
    """The machines that measure, by name."""
    found = [member for member in members(head) if "worker" in member.roles]
    return sorted(found, key=lambda member: member.hostname)


def make(head: Machine, advertise: str) -> None:
    """Make sure that the head is a swarm's manager.

    Args:
        advertise: its address for the others; empty for a swarm of this one machine.

    Raises:
        MachineError: Docker refused, or it is in another head's swarm.
    """
    if not swarm_state.check(head):
        # Loopback: a swarm of one machine has nobody to listen to.
        address, listen = (advertise, "0.0.0.0") if advertise else ("127.0.0.1", "127.0.0.1")  # noqa: S104
        head.docker(
            "swarm", "init", f"--advertise-addr={address}", f"--listen-addr={listen}:{PORT}"
        )
        _label(head, node_id(head), {_MADE_HERE: "made-here"})
        # The first certificate is made before any setting counts, for 90 days: another one.
        head.docker("swarm", "ca", "--rotate", "--quiet", _EXPIRY)
    elif was_made_here(head):
        head.docker("swarm", "update", _EXPIRY)


def address_of(head: Machine, wanted: str) -> str:
    """The head's address for other machines.

    Args:
        wanted: what the administrator says; if empty, the address of its default route.

    Raises:
        MachineError: it has none.
    """
    if wanted:
        return wanted
    found = head.check_shell(
        # The kernel's own choice of a source address for far destinations (ip-route(8)); nothing
        # is sent. Where iproute2 is missing, the first of its addresses.
        "ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \\([0-9.]*\\).*/\\1/p' | grep . "
        "|| hostname -I | tr ' ' '\\n' | grep -m1 -E '^[0-9.]+$'"
    )
    return found.splitlines()[0]


def join(worker: Machine, head: Machine) -> None:
    """Bring a machine into the head's swarm; one that is in it already stays.

    Raises:
        MachineError: it is in another swarm, or does not find the head.
    """
    if state(worker) == "active":
        if node_id(worker) in {member.node_id for member in members(head)}:
            return
        if managers(worker) != managers(head):
            raise MachineError(
                f"{worker} is in another swarm: run `docker swarm leave` on it first."
            )
    leave_dead(worker)
    token = head.docker("swarm", "join-token", "--quiet", "worker")
    manager = head.docker("info", "--format={{(index .Swarm.RemoteManagers 0).Addr}}")
    try:
        # Through the API and not the command, in whose arguments others could read the token.
        client = docker.APIClient(
            worker.docker_url or None, version="auto", timeout=_JOIN_SECONDS, use_ssh_client=True
        )
        with closing(client):
            client.join_swarm([manager], token)
    except (docker.errors.DockerException, OSError) as error:
        reason = getattr(error, "explanation", None) or error
        raise MachineError(
            f"{worker} cannot join the swarm at {manager}: {reason}. Are the ports"
            " 2377/tcp, 7946/tcp+udp and 4789/udp open between the machines?"
        ) from error


def give_roles(head: Machine, machine: Machine, *roles: str) -> None:
    """Say what a machine is for, and how it is reached; without roles, the latter only."""
    labels = {f"cfiddle.{role}": "true" for role in roles}
    _label(head, node_id(machine), {**labels, _ADDRESS: machine.address})


def settle(head: Machine, machine: Machine) -> None:
    """Note how a machine that has joined is reached, and let its earlier lives go.

    A machine that left by force, or got a new disk, joins as another member. What an administrator
    has noted about the earlier one is true of it, too.
    """
    me = node_id(machine)
    listed = members(head)
    mine = next((member for member in listed if member.node_id == me), None)
    if mine is None:
        raise MachineError(f"{machine} has joined the swarm, but {head} does not know it.")
    for other in listed:
        if other.node_id != me and other.hostname == mine.hostname:
            _label(head, me, {**other.labels, **mine.labels})
            forget(head, other)
    if mine.address != machine.address:
        give_roles(head, machine)


def take_role(head: Machine, member: Member, role: str) -> None:
    """A machine is for something no more: the services that came with it go."""
    if role in member.roles:
        head.docker("node", "update", f"--label-rm=cfiddle.{role}", member.node_id)


def _label(head: Machine, identity: str, labels: dict[str, str]) -> None:
    options = [f"--label-add={key}={value}" for key, value in labels.items()]
    head.docker("node", "update", *options, identity)


def forget(head: Machine, member: Member) -> None:
    """Take a machine off the head's list, whether it answers or not."""
    head.docker("node", "rm", "--force", member.node_id)


def leave(machine: Machine) -> None:
    """Let a machine leave whatever swarm it is in."""
    if state(machine) == "inactive":
        return
    try:
        machine.docker("swarm", "leave", "--force")
    except MachineError:
        # One that was about to join, for a command that was killed, may have failed to do so.
        if state(machine) != "inactive":
            raise


def leave_dead(machine: Machine) -> None:
    """As :func:`leave`, for a machine whose swarm does not answer any more: a worker loses nothing.

    Raises:
        MachineError: it was a manager there; that would lose services and secrets.
    """
    if state(machine) == "inactive":
        return
    root = machine.docker("info", "--format={{.DockerRootDir}}")
    if machine.shell('test -d "$1/swarm/raft"', root).status == 0:
        raise MachineError(
            f"{machine} is the manager of another swarm, whose services and secrets are there. If"
            " nobody needs them, run `docker swarm leave --force` on it first."
        )
    leave(machine)


def managers(machine: Machine) -> list[str]:
    """Where a machine finds the managers of its swarm."""
    template = "--format={{range .Swarm.RemoteManagers}}{{.Addr}} {{end}}"
    return sorted(machine.docker("info", template).split())


# An engine makes them here and moves each into a network namespace at once. One that was stopped in
# between leaves it, and cannot make it again ("error creating vxlan interface: file exists"). One
# that is being moved right now is gone before it could be deleted, and is none of those.
_REMOVE_LEFT_LINKS = r"""
command -v ip >/dev/null || exit 0
ip -o link show type vxlan | sed -n 's/^[0-9]*: \(vx-[0-9a-f]*-[a-z0-9]*\)[:@].*/\1/p' |
while read -r link; do
    ip link delete "$link" 2>/dev/null || true
done
"""


def remove_left_links(machine: Machine) -> None:
    """Remove the ends of networks that a machine's engine has left from an earlier life.

    Raises:
        MachineError: the machine does not answer.
    """
    machine.check_shell(_REMOVE_LEFT_LINKS)


def was_made_here(head: Machine) -> bool:
    """Whether :func:`make` made the head's swarm."""
    if state(head) != "active":
        return False
    template = f'{{{{index .Spec.Labels "{_MADE_HERE}"}}}}'
    return head.docker("node", "inspect", f"--format={template}", node_id(head)) == "made-here"


def machine_of(member: Member, user: str) -> Machine:
    """How a member is reached.

    Raises:
        MachineError: it was not brought in by this program.
    """
    if not member.address:
        raise MachineError(
            f"The address of {member.hostname} is not known: `up` and `worker add` record it."
        )
    return Machine(member.address, user if member.address != LOCAL else "root")

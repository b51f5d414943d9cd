"""Docker's swarm: which machines are in it, what each of them is for, and how they come and go."""

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors

from cfiddle_slurm.cluster.config import LOCAL
from cfiddle_slurm.cluster.machines import Machine, MachineError

ROLES = ("head", "worker", "user")
_ADDRESS = "cfiddle.address"
_MADE_HERE = "cfiddle.swarm"
_JOIN_SECONDS = 60
PORT = 2377


@dataclass(frozen=True)
class Member:
    """A machine of the swarm.

    Attributes:
        node_id: the swarm's id of it.
        hostname: its own name, which is also its name in Slurm.
        address: its ssh address; empty if this program did not bring it in.
        roles: what it is for.
        ready: whether the swarm hears of it.
    """

    node_id: str
    hostname: str
    address: str
    roles: frozenset[str]
    ready: bool


def parse_members(text: str) -> list[Member]:
    """Members from the lines of ``docker node inspect --format '{{json .}}'``."""
    found = []
    for line in text.splitlines():
        facts: dict[str, Any] = json.loads(line)
        labels = facts["Spec"].get("Labels") or {}
        found.append(
            Member(
                facts["ID"],
                facts["Description"]["Hostname"],
                labels.get(_ADDRESS, ""),
                frozenset(role for role in ROLES if labels.get(f"cfiddle.{role}") == "true"),
                facts["Status"]["State"] == "ready",
            )
        )
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
        MachineError: Docker refused.
    """
    if state(head) != "active":
        # Loopback: a swarm of one machine has nobody to listen to.
        address, listen = (advertise, "0.0.0.0") if advertise else ("127.0.0.1", "127.0.0.1")  # noqa: S104
        head.docker(
            "swarm", "init", f"--advertise-addr={address}", f"--listen-addr={listen}:{PORT}"
        )
        _label(head, node_id(head), {_MADE_HERE: "made-here"})
    elif head.docker("info", "--format={{.Swarm.ControlAvailable}}") != "true":
        raise MachineError(f"{head} is a worker of another swarm: let it leave that first.")


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
    known = {member.node_id: member for member in members(head)}
    if state(worker) == "active":
        if node_id(worker) not in known:
            raise MachineError(
                f"{worker} is in another swarm: let it leave that (`docker swarm leave`) first."
            )
        return
    if state(worker) in ("pending", "error"):
        # It was in a swarm that does not answer any more.
        worker.docker("swarm", "leave", "--force")
    token = head.docker("swarm", "join-token", "--quiet", "worker")
    manager = head.docker("info", "--format={{(index .Swarm.RemoteManagers 0).Addr}}")
    try:
        # Through the API and not the command, in whose arguments others could read the token.
        with closing(
            docker.APIClient(
                worker.docker_url or None,
                version="auto",
                timeout=_JOIN_SECONDS,
                use_ssh_client=True,
            )
        ) as client:
            client.join_swarm([manager], token)
    except (docker.errors.DockerException, OSError) as error:
        reason = getattr(error, "explanation", None) or error
        raise MachineError(
            f"{worker} cannot join the swarm at {manager}: {reason}. Are the ports"
            " 2377/tcp, 7946/tcp+udp and 4789/udp open between the machines?"
        ) from error


def give_roles(head: Machine, machine: Machine, *roles: str) -> None:
    """Say what a machine is for, and how it is reached."""
    labels = {f"cfiddle.{role}": "true" for role in roles}
    _label(head, node_id(machine), {**labels, _ADDRESS: machine.address})


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
    if state(machine) != "inactive":
        machine.docker("swarm", "leave", "--force")


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
            f"It is not known how to reach {member.hostname}: `up` and `worker add` note it."
        )
    return Machine(member.address, user if member.address != LOCAL else "root")

"""Which machine it is that an address leads to: machines are told apart by what they are.

An address says little: a name may be an alias, and may lead elsewhere tomorrow. A machine is told
from others by its running kernel (boot id) and by its first process's namespaces, should it be a
container; in the swarm by its node id. Docker's own id of an engine is copied with a disk.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfiddle_slurm.cluster.hosts.machines import LIVE_RESTORE, Machine, MachineError, try_each
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.site.config import LOCAL

# Not everybody may ask for the first process's namespaces (ptrace(2), "access mode checking").
_PLACE = """
uname -n
cat /proc/sys/kernel/random/boot_id
readlink /proc/1/ns/pid /proc/1/ns/mnt || true
"""
# A container gets it as its host name (sethostname(2): 64 bytes), and slurmd registers what is
# before the first dot. Slurm knows one of the others as a default (slurm.conf(5)), and containers
# find services by most of them.
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_TAKEN = frozenset(
    ("localhost", "default", "munge", "database", "accounting", "controller", "worker", "sandboxd",
     "user")
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """What a machine is.

    Attributes:
        hostname: its own name, which becomes its name in Slurm.
        node_id: the swarm's id of it; empty outside a swarm.
        kernel: the boot id of its kernel.
        first: the namespaces of the first process; empty if it may not be asked.
        state: of its part in a swarm, in Docker's words.
        managers: where its swarm's managers are.
        live_restore: whether its engine is set so that it can be in no swarm.
    """

    hostname: str
    node_id: str = ""
    kernel: str = ""
    first: str = ""
    state: str = "inactive"
    managers: tuple[str, ...] = ()
    live_restore: bool = False

    def is_at_the_place_of(self, other: "Identity") -> bool:
        """Whether both are one machine."""
        if not self.kernel or self.kernel != other.kernel:
            return False
        return not self.first or not other.first or self.first == other.first


def parse(info: str, place: str) -> Identity:
    """An identity.

    Args:
        info: ``docker info --format '{{json .}}'``.
        place: the host name, the boot id, and then the namespaces, one a line.
    """
    told: dict[str, Any] = json.loads(info)
    swarm: dict[str, Any] = told.get("Swarm") or {}
    hostname, kernel, *first = [*place.split(), ""]
    return Identity(
        told.get("Name") or hostname,
        swarm.get("NodeID") or "",
        kernel,
        " ".join(first).strip(),
        swarm.get("LocalNodeState") or "inactive",
        tuple(sorted(each["Addr"] for each in swarm.get("RemoteManagers") or ())),
        bool(told.get("LiveRestoreEnabled")),
    )


def ask(machine: Machine) -> Identity:
    """What the machine is that an address leads to.

    Raises:
        MachineError: it cannot be reached, or has no engine.
    """
    place = machine.shell(_PLACE).stdout
    return parse(machine.docker("info", "--format={{json .}}"), place)


def glimpse(machine: Machine) -> Identity:
    """As :func:`ask`, for a machine that may have no engine yet.

    Raises:
        MachineError: it cannot be reached.
    """
    place = machine.shell(_PLACE).stdout
    done = machine.try_docker("info", "--format={{json .}}")
    return parse(done.stdout if done.status == 0 else "{}", place)


def others(
    who: Mapping[Machine, Identity], members: Iterable[Member], user: str
) -> dict[str, Identity]:
    """What is at the addresses of members that one of these machines might be, if it answers.

    Args:
        user: the account on them.
    """
    named = {machine.address for machine in who}
    alike = {identity.hostname for identity in who.values()}
    alike |= {identity.node_id for identity in who.values() if identity.node_id}
    asked = [
        Machine(member.address, user)
        for member in members
        if {member.hostname, member.node_id} & alike and member.address not in (*named, "", LOCAL)
    ]
    given, _ = try_each(asked, ask)
    return {machine.address: identity for machine, identity in given.items()}


def check(
    head: Machine,
    who: Mapping[Machine, Identity],
    members: Sequence[Member],
    elsewhere: Mapping[str, Identity],
) -> None:
    """Make sure that machines can be the head and workers of one cluster. Pure.

    Args:
        who: the head and the workers, as they are.
        members: of the head's swarm.
        elsewhere: machines at members' addresses that are not among ``who``, as far as they answer.

    Raises:
        MachineError: something about them does not fit; the message says what.
    """
    named = {machine.address for machine in who}
    before: list[tuple[str, Identity]] = [(str(head), who[head])]
    for machine, me in who.items():
        if machine == head:
            continue
        _check_itself(machine, me)
        _check_places(machine, me, head, before)
        _check_swarm(machine, me, who[head], members)
        _check_members(machine, me, who[head], named, members, elsewhere)
        before.append((str(machine), me))


def _check_itself(machine: Machine, me: Identity) -> None:
    if not _HOSTNAME.fullmatch(me.hostname) or me.hostname.lower() in _TAKEN:
        raise MachineError(
            f"The host name of {machine} is {me.hostname!r}, which cannot be a worker's: give it a"
            " name of letters, digits and - without dots, such as w1 (`hostnamectl hostname w1`,"
            " then restart Docker there)."
        )
    if me.live_restore and me.state == "inactive":
        raise MachineError(f"{machine} cannot be in a swarm: {LIVE_RESTORE}.")


def _check_places(
    machine: Machine, me: Identity, head: Machine, before: Sequence[tuple[str, Identity]]
) -> None:
    for name, other in before:
        if me.is_at_the_place_of(other):
            if name == str(head):
                raise MachineError(
                    f"{machine} is the head itself ({me.hostname}), which cannot also be a worker."
                )
            raise MachineError(
                f"{name} and {machine} are the same machine ({me.hostname}): name it once."
            )
        if me.node_id and me.node_id == other.node_id:
            raise _copied(machine, name)
        if me.hostname == other.hostname:
            raise _namesakes(me.hostname, name, str(machine))


def _check_swarm(machine: Machine, me: Identity, head: Identity, members: Sequence[Member]) -> None:
    if me.state != "active" or me.managers == head.managers:
        return  # the latter is this head's swarm, or one that it had before
    if me.node_id not in {member.node_id for member in members}:
        where = f" (of {', '.join(me.managers)})" if me.managers else ""
        raise MachineError(
            f"{machine} is in another swarm{where}. If that is this cluster under another head, set"
            " head back; if nobody needs it there, run `docker swarm leave` on it first."
        )


def _check_members(
    machine: Machine,
    me: Identity,
    head: Identity,
    named: Collection[str],
    members: Sequence[Member],
    elsewhere: Mapping[str, Identity],
) -> None:
    for member in members:
        if member.address in ("", machine.address) or member.address in named:
            continue
        if member.node_id == head.node_id:
            continue
        other = elsewhere.get(member.address)
        if other is not None and me.is_at_the_place_of(other):
            continue  # the same machine under an earlier address
        if member.node_id == me.node_id:
            if other is not None and other.node_id == me.node_id:
                raise _copied(machine, member.address)
        elif member.hostname == me.hostname:
            raise _namesakes(me.hostname, member.address, str(machine))


def _copied(machine: Machine, other: str) -> MachineError:
    return MachineError(
        f"{machine} is a copy of {other} and has its identity in the swarm: first run"
        f" `docker swarm leave --force` on {machine} and give it another host name."
    )


def _namesakes(hostname: str, one: str, other: str) -> MachineError:
    return MachineError(
        f"Two machines are called {hostname}: {one} and {other}. Give one another host name; if it"
        f" is one machine under a new address, run `worker remove {one}` first."
    )

"""What is wrong with a head's swarm that does not answer, and what to do that loses nothing."""

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.printable import one_line

_FORMAT = (
    "--format={{.DockerRootDir}}|{{.Swarm.LocalNodeState}}|{{.Swarm.ControlAvailable}}"
    "|{{.Swarm.Error}}"
)


def told(head: Machine) -> tuple[str, str, bool, str]:
    """Docker's folder, the swarm's state, whether the machine manages it, and what is wrong."""
    root, state, manages, reason = head.docker("info", _FORMAT).split("|", 3)
    return root, state, manages == "true", one_line(reason)


def check(head: Machine) -> bool:
    """Make sure that the head's swarm, if it has one, can be asked.

    Returns:
        Whether it has one.

    Raises:
        MachineError: it cannot; the message says why, and what loses nothing.
    """
    _, found, manages, reason = told(head)
    trouble = trouble_of(str(head), found, reason, manages=manages)
    if trouble:
        raise MachineError(trouble)
    return found == "active"


def trouble_of(head: str, state: str, reason: str, *, manages: bool) -> str:
    """Why a head's swarm cannot be asked, in plain words; empty if it can. Pure."""
    if state == "inactive" or (state == "active" and manages):
        return ""
    if state == "active":
        return (
            f"{head} is a worker in the swarm of another head. If that is this cluster's, which has"
            " its data, set head back; if nobody needs it there, run `docker swarm leave` on"
            f" {head} first."
        )
    if state == "locked":
        return f"The swarm on {head} is locked: `docker swarm unlock` on it unlocks it."
    if is_expired(reason):
        return (
            f"The certificates of the swarm on {head} have expired: `up` renews them. Do not let it"
            " leave the swarm: services and secrets would be lost."
        )
    if state == "pending":
        why = reason or "no reason is given"
        return f"The swarm on {head} is not ready yet ({why}): try again in a minute."
    return (
        f"The swarm on {head} does not start: {reason or 'Docker gives no reason'}."
        " Restart Docker there (`systemctl restart docker`); `journalctl -u docker` says more. Do"
        " not let it leave the swarm: services and secrets would be lost."
    )


def is_expired(reason: str) -> bool:
    """Whether a swarm's error is that the machine's certificate was not renewed in time."""
    return "certificate has expired" in reason or "certificates have expired" in reason

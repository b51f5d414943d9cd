"""What the cluster's administrator asks of Slurm: nodes, the queue, and who may use how much.

Its commands run in the controller's container.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.hosts.waiting import until
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.slurm_states import (
    BEING_REPLACED,
    MARK,
    Node,
    parse_nodes,
    reason_is_a_machines,
)

ACCOUNT = "students"
RETIRING = f"{MARK}{BEING_REPLACED}"
"""Why a worker that is stopped in good order took no more jobs."""
REMOVED = "removed by the administrator"
"""Why a worker that is about to go takes no more jobs."""
_SECONDS = 60.0
_AT_ONCE = 100
_END_SECONDS = 120.0
_USABLE_SECONDS = 60.0
_NO_CHANGE = re.compile(r"Nothing (?:new added|added|modified|deleted)|Already existing account")
_ELAPSED = re.compile(r"(?:([0-9]{1,5})-)?(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2})")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Job:
    """A job in the queue; ``seconds`` is for how long it has been running."""

    job_id: str
    user: str
    state: str
    seconds: int
    node: str
    reason: str
    name: str


def command(head: Machine, *words: str) -> str:
    """What one of Slurm's commands prints.

    Raises:
        MachineError: it failed.
        NotHealthy: the controller is not up.
    """
    container = stack.container_on(head, "controller")
    return head.docker("exec", container, *words, timeout=_SECONDS)


def nodes(head: Machine) -> list[Node]:
    """All workers that Slurm knows."""
    done = head.try_docker(
        "exec", stack.container_on(head, "controller"), "scontrol", "--oneliner", "show", "nodes"
    )
    # Without any node that is an error for scontrol, but none here.
    return parse_nodes(done.stdout)


def diagnosis(head: Machine) -> dict[str, Any]:
    """How Slurm itself is.

    Returns:
        ``backlog``, how many messages for accounting wait in the controller, None if that is not
        known; and ``partition``, the partition's state, ``UP`` when jobs start.
    """
    text = command(head, "sh", "-c", "sdiag; scontrol --oneliner show partition cfiddle")
    backlog = re.search(r"^DBD Agent queue size:\s*(\d+)", text, re.MULTILINE)
    partition = re.search(r"^PartitionName=.*? State=(\w+)", text, re.MULTILINE)
    return {
        "backlog": int(backlog[1]) if backlog else None,
        "partition": partition[1] if partition else "unknown",
    }


def queue(head: Machine) -> list[Job]:
    """All jobs that wait or run."""
    # The name is anybody's text: it comes last.
    text = command(head, "squeue", "--noheader", "--format=%i|%u|%T|%M|%N|%r|%j")
    rows = (line.strip().split("|", 6) for line in text.split("\n"))
    return [
        Job(job_id, user, state, seconds_of(elapsed), node, reason, name)
        for job_id, user, state, elapsed, node, reason, name in (r for r in rows if len(r) == 7)
    ]


def seconds_of(elapsed: str) -> int:
    """A time as Slurm prints it, ``1-02:03:04`` or ``3:04``; 0 for what is none."""
    match = _ELAPSED.fullmatch(elapsed)
    if match is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


# Slurm writes nodes' states with up to five seconds' delay; a controller that is killed before that
# has forgotten them.
_DRAIN = """
set -e
scontrol update NodeName="$1" State=DRAIN Reason="$2"
done=$(mktemp)
for try in $(seq 50); do
    [ /var/lib/slurm/slurmctld/node_state -nt "$done" ] && break
    sleep 0.2
done
rm "$done"
"""


def drain(head: Machine, node: str, reason: str) -> None:
    """Have a worker take no more jobs, whatever restarts; the present one goes on.

    Raises:
        MachineError: the reason is one of those that machines give, or Slurm refused.
    """
    if reason_is_a_machines(reason):
        raise MachineError(
            f"Only workers give a reason like {reason!r} themselves: give another one."
        )
    command(head, "sh", "-c", _DRAIN, "sh", _host(node), reason)


def resume(head: Machine, node: str) -> None:
    """Have a worker take jobs again."""
    command(head, "scontrol", "update", f"NodeName={_host(node)}", "State=RESUME")


def delete(head: Machine, node: str) -> None:
    """Forget a worker, which has no job any more and is stopped."""
    command(head, "scontrol", "delete", f"NodeName={_host(node)}")


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise MachineError(f"{name!r} is not the name of a worker.")
    return name


def wait_until_free(head: Machine, node: str, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until no job is on a worker.

    Raises:
        MachineError: one still is, after so many seconds.
    """
    told = False
    for _ in until(seconds):
        if not any(each.name == node and each.busy for each in nodes(head)):
            return
        if not told:
            told = True
            say(f"{node}: waiting for its current job to finish")
    raise MachineError(
        f"{node} still has a job after {seconds:g} seconds; it takes no new ones. "
        "Try again, or end the job with `scancel`."
    )


def wait_until_usable(head: Machine, names: Iterable[str]) -> None:
    """Wait until Slurm would give jobs to all these workers.

    Raises:
        MachineError: it would not to one of them, after a minute.
    """
    wanted = sorted(set(names))
    for _ in until(_USABLE_SECONDS):
        found = {node.name: node for node in nodes(head)}
        missing = [name for name in wanted if name not in found or not found[name].usable]
        if not missing:
            return
    node = found.get(missing[0])
    raise MachineError(
        f"Slurm does not give jobs to {missing[0]} after {_USABLE_SECONDS:g} seconds: "
        + (f"its state is {node.state} {node.reason}" if node else "it is not registered")
    )


def ensure_users(head: Machine, names: Iterable[str], queued_jobs: int) -> None:
    """Let users submit jobs, with equal shares and at most so many jobs in the queue each."""
    wanted = sorted(set(names))
    _account(head, "add", "account", ACCOUNT, "Description=students", "Organization=cfiddle")
    for start in range(0, len(wanted), _AT_ONCE):
        some = ",".join(wanted[start : start + _AT_ONCE])
        _account(head, "add", "user", some, f"Account={ACCOUNT}", "Fairshare=1")
        _account(head, "modify", "user", "where", f"Name={some}", f"Account={ACCOUNT}",
                 "set", f"MaxSubmitJobs={queued_jobs}")  # fmt: skip


def forget_user(head: Machine, name: str) -> None:
    """End a user's jobs, and let the user submit no more.

    Raises:
        MachineError: the jobs do not end.
    """
    _account(head, "modify", "user", "where", f"Name={name}", "set", "MaxSubmitJobs=0")
    for _ in until(_END_SECONDS):
        command(head, "scancel", f"--user={name}")
        if not command(head, "squeue", "--noheader", "--format=%i", f"--user={name}").strip():
            break
    else:
        raise MachineError(f"The jobs of {name} do not end: `squeue --user={name}` shows them.")
    _account(head, "remove", "user", f"Name={name}")


def _account(head: Machine, *words: str) -> None:
    container = stack.container_on(head, "controller")
    done = head.try_docker("exec", container, "sacctmgr", "--immediate", *words)
    said = f"{done.stdout}\n{done.stderr}"
    # sacctmgr(1) ends with 1 when nothing had to be changed, and says so.
    if done.status != 0 and not _NO_CHANGE.search(said):
        raise MachineError(f"Slurm's accounting refused: {' '.join(said.split())}")

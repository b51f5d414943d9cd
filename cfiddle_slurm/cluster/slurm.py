"""What the cluster's administrator asks of Slurm: nodes, the queue, and who may use how much.

Its commands run in the controller's container.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cfiddle_slurm.cluster import stack
from cfiddle_slurm.cluster.machines import Machine, MachineError
from cfiddle_slurm.slurm_states import node_has_job, node_is_withdrawn, node_takes_jobs

ACCOUNT = "students"
RETIRING = "cfiddle: being replaced"
"""Why a worker that is stopped in good order took no more jobs; `daemon` writes it."""
_AT_ONCE = 100
_POLL_SECONDS = 0.5
_END_SECONDS = 120.0
_NO_CHANGE = re.compile(r"Nothing (?:new added|added|modified|deleted)|Already existing account")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Node:
    """A worker as Slurm sees it.

    Attributes:
        state: in Slurm's words, such as ``idle`` or ``idle+drain``.
        features: what jobs may ask for.
        reason: why it takes no jobs, as far as somebody said so.
    """

    name: str
    state: str
    features: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether it takes jobs, now or after the present one."""
        return node_takes_jobs(self.state)

    @property
    def withdrawn(self) -> bool:
        """Whether it was taken out of service, by somebody or by Slurm, and can be resumed."""
        return node_is_withdrawn(self.state)

    @property
    def busy(self) -> bool:
        """Whether a job is on it."""
        return node_has_job(self.state)


@dataclass(frozen=True)
class Job:
    """A job in the queue."""

    job_id: str
    name: str
    user: str
    state: str
    seconds: str
    node: str
    reason: str


def command(head: Machine, *words: str, timeout: float = 60.0) -> str:
    """What one of Slurm's commands prints.

    Raises:
        MachineError: it failed.
        NotHealthy: the controller is not up.
    """
    return head.docker("exec", stack.container_on(head, "controller"), *words, timeout=timeout)


def parse_nodes(text: str) -> list[Node]:
    """Nodes from the lines of ``scontrol --oneliner show nodes`` (scontrol(1))."""
    found = []
    for line in text.splitlines():
        # A reason is anybody's text, and may look like further fields.
        before, _, rest = line.partition(" Reason=")
        fields = dict(re.findall(r"(?:^| )([A-Za-z]+)=(\S*)", before))
        if "NodeName" in fields:
            reason = re.match(r"(.*?)(?: \[[^\[]+@[^\[]+\]| [A-Z]\w+=|$)", rest)
            features = fields.get("ActiveFeatures", "")
            found.append(
                Node(
                    fields["NodeName"],
                    fields.get("State", "").lower().replace("*", "+not_responding"),
                    "" if features == "(null)" else features,
                    reason[1].strip() if reason else "",
                )
            )
    return sorted(found, key=lambda node: node.name)


def nodes(head: Machine) -> list[Node]:
    """All workers that Slurm knows."""
    done = head.try_docker(
        "exec", stack.container_on(head, "controller"), "scontrol", "--oneliner", "show", "nodes"
    )
    # Without any node that is an error for scontrol, but none here.
    return parse_nodes(done.stdout)


def queue(head: Machine) -> list[Job]:
    """All jobs that wait or run."""
    text = command(head, "squeue", "--noheader", "--format=%i|%j|%u|%T|%M|%N|%r")
    rows = (line.strip().split("|") for line in text.splitlines())
    return [Job(*row) for row in rows if len(row) == 7]


def drain(head: Machine, node: str, reason: str) -> None:
    """Have a worker take no more jobs; the present one goes on."""
    command(head, "scontrol", "update", f"NodeName={_host(node)}", "State=DRAIN",
            f"Reason={reason}")  # fmt: skip


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
    give_up = time.monotonic() + seconds
    told = False
    while any(each.name == node and each.busy for each in nodes(head)):
        if not told:
            told = True
            say(f"{node}: waiting for its present job to end")
        if time.monotonic() > give_up:
            raise MachineError(
                f"{node} still has a job after {seconds:g} seconds; it takes no new ones. "
                "Try again, or end the job with `scancel`."
            )
        time.sleep(_POLL_SECONDS)


def wait_until_usable(head: Machine, names: Iterable[str], seconds: float) -> None:
    """Wait until Slurm would give jobs to all these workers.

    Raises:
        MachineError: it would not to one of them, after so many seconds.
    """
    wanted = set(names)
    give_up = time.monotonic() + seconds
    while True:
        found = {node.name: node for node in nodes(head)}
        missing = sorted(name for name in wanted if name not in found or not found[name].usable)
        if not missing:
            return
        if time.monotonic() > give_up:
            node = found.get(missing[0])
            raise MachineError(
                f"Slurm does not give jobs to {missing[0]} after {seconds:g} seconds: "
                + (f"its state is {node.state} {node.reason}" if node else "it is not registered")
            )
        time.sleep(_POLL_SECONDS)


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
    give_up = time.monotonic() + _END_SECONDS
    while True:
        command(head, "scancel", f"--user={name}")
        if not command(head, "squeue", "--noheader", "--format=%i", f"--user={name}").strip():
            break
        if time.monotonic() > give_up:
            raise MachineError(f"The jobs of {name} do not end: `squeue --user={name}` shows them.")
        time.sleep(_POLL_SECONDS)
    _account(head, "remove", "user", f"Name={name}")


def _account(head: Machine, *words: str) -> None:
    container = stack.container_on(head, "controller")
    done = head.try_docker("exec", container, "sacctmgr", "--immediate", *words)
    said = f"{done.stdout}\n{done.stderr}"
    # sacctmgr(1) ends with 1 when nothing had to be changed, and says so.
    if done.status != 0 and not _NO_CHANGE.search(said):
        raise MachineError(f"Slurm's accounting refused: {' '.join(said.split())}")

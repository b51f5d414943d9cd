"""What may be left of an attack, looked for on every worker and in the queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.machines.harness import Machines

WORKERS = ("w1", "w2")
SANDBOXES = "--filter=label=cfiddle-slurm.sandbox"
_JOB = '{{.ID}} {{.Label "cfiddle-slurm.job"}}'
# Accounts are known to the workers by number only.
_OF_USER = """
for place in /tmp /var/tmp /dev/shm /dev/mqueue /run; do
    find "$place" -xdev -user "$1" 2>/dev/null | sed 's/^/file /'
done
for kind in m q s; do
    lsipc "-$kind" --noheadings --raw --output CUID | grep -x "$1" | sed 's/^/IPC of /'
done
ps -o pid=,args= -u "$1" | sed 's/^/process /'
ls /run/cfiddle-slurm/jobs | sed 's/^/registration /'
"""


@dataclass(frozen=True)
class Baseline:
    """What a worker has when nothing runs there."""

    mounts: int
    networks: int
    volumes: int
    containers: int


def baseline(cluster: Machines, worker: str) -> Baseline:
    """Counted on a quiet worker."""

    def count(*command: str) -> int:
        return len(cluster.on(worker, *command).splitlines())

    return Baseline(
        mounts=count("cat", "/proc/self/mounts"),
        networks=count("docker", "network", "ls", "--quiet"),
        volumes=count("docker", "volume", "ls", "--quiet"),
        containers=count("docker", "ps", "--all", "--quiet", SANDBOXES),
    )


def left_of(cluster: Machines, uid: str, user: str) -> list[str]:
    """What is left of a user's jobs, which must all have ended: a sentence for each thing."""
    before = queue(cluster)
    seen = [(worker, line) for worker in WORKERS for line in things(cluster, worker, uid)]
    after = queue(cluster)
    found = [f"job {job} is in the queue" for job, owner in after.items() if owner == user]
    for worker, line in seen:
        # What belongs to a job that others have there just now is nobody's leftover.
        kind, _, rest = line.partition(" ")
        belongs = kind in ("container", "registration") and rest.split()[-1] in {**before, **after}
        if not belongs:
            found.append(f"{worker}: {line}")
    return found


def things(cluster: Machines, worker: str, uid: str) -> list[str]:
    """Sandboxes, whosever they are, and in the worker's container what is of an account."""
    listing = ("docker", "ps", "--all", f"--format=container {_JOB}", SANDBOXES)
    inside = cluster.on_service(worker, "worker", "sh", "-c", _OF_USER, "sh", uid)
    return [*cluster.on(worker, *listing).splitlines(), *inside.splitlines()]


def queue(cluster: Machines) -> dict[str, str]:
    """The user of each job that waits or runs."""
    text = cluster.on_service("head", "controller", "squeue", "--noheader", "--format=%i %u")
    return dict(line.split() for line in text.splitlines())


def out_of_service(cluster: Machines) -> list[str]:
    """Workers that take no jobs, with Slurm's word for their state."""
    words = ("sinfo", "--noheader", "--Node", "--format=%N %T")
    states = dict(
        line.split() for line in cluster.on_service("head", "controller", *words).splitlines()
    )
    good = ("idle", "allocated", "mixed", "completing")
    return [f"{name} is {states.get(name)}" for name in WORKERS if states.get(name) not in good]


def jobs_started(cluster: Machines, user: str, began: float) -> int:
    """How many jobs of a user Slurm has started since then."""
    words = ("sacct", "--allocations", "--noheader", "--parsable2", f"--user={user}",
             f"--starttime=uts{int(began)}", "--format=JobIDRaw,Start")  # fmt: skip
    lines = cluster.on_service("head", "controller", *words).splitlines()
    return sum(line.split("|")[1] not in ("Unknown", "None") for line in lines)


def ids(cluster: Machines, users: Sequence[str]) -> dict[str, str]:
    """The numbers of accounts."""
    return {user: cluster.check("run", user, "id", "-u").strip() for user in users}


def parse_measurements(text: str) -> tuple[list[dict[str, float]], str | None]:
    """What a neighbour printed: its measurements, and its error if there was one."""
    lines = [json.loads(line) for line in text.splitlines()]
    errors = [line["error"] for line in lines if "error" in line]
    return [line for line in lines if "seconds" in line], errors[0] if errors else "it was killed"

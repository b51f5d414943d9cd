"""What may be left of an attack, looked for on every worker and in the queue."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cfiddle_slurm import process
from tests.machines.harness import Machines

WORKERS = ("w1", "w2")
IN_SERVICE = ("idle", "allocated", "mixed", "completing")
SANDBOXES = "--filter=label=cfiddle-slurm.sandbox"
SECONDS = 60.0
# One command for each machine, since they are asked after every attack.
_IN_CONTROLLER = """
squeue --noheader --format='job %i %u'
sinfo --noheader --Node --format='node %N %T'
"""
_IN_WORKER = """
for place in /tmp /var/tmp /dev/shm /dev/mqueue /run; do
    find "$place" -xdev -user "$1" 2>/dev/null | sed 's/^/file /'
done
for kind in m q s; do
    lsipc "-$kind" --noheadings --raw --output CUID | grep -x "$1" | sed 's/^/IPC of /'
done
ps -o pid=,args= -u "$1" | sed 's/^/process /'
ls /run/cfiddle-slurm/jobs | sed 's/^/registration /'
"""
_ON_MACHINE = """
docker ps --all --format='container {{.ID}} {{.Label "cfiddle-slurm.job"}}' "$4"
docker exec "$(docker ps --quiet --filter=label=com.docker.swarm.service.name=cfiddle_$1 \
    | head -n 1)" sh -c "$2" sh "$3"
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
    """What is not as it was, once a user's jobs have ended: a sentence for each thing.

    Args:
        uid: the user's number; the workers know no names.
    """
    with ThreadPoolExecutor(1 + len(WORKERS)) as pool:
        asked = pool.submit(seen, cluster, "head", "controller", uid)
        there = list(pool.map(lambda name: seen(cluster, name, "worker", uid), WORKERS))
        known = asked.result()
    owners = {line.split()[1]: line.split()[2] for line in known if line.startswith("job ")}
    states = {line.split()[1]: line.split()[2] for line in known if line.startswith("node ")}
    found = [f"job {job} is in the queue" for job, owner in owners.items() if owner == user]
    found += [f"{name} is {states.get(name)}" for name in WORKERS
              if states.get(name) not in IN_SERVICE]  # fmt: skip
    for worker, lines in zip(WORKERS, there, strict=True):
        found += [f"{worker}: {line}" for line in lines if not _belongs(line, owners)]
    return found


def _belongs(line: str, owners: dict[str, str]) -> bool:
    """Whether it is of a job that is in the queue just now, and so nobody's leftover."""
    kind, _, rest = line.partition(" ")
    return kind in ("container", "registration") and rest.split()[-1] in owners


def seen(cluster: Machines, machine: str, service: str, uid: str) -> list[str]:
    """Sandboxes on a machine, and what a service's container there tells."""
    inside = _IN_CONTROLLER if service == "controller" else _IN_WORKER
    words = ("sh", "-c", _ON_MACHINE, "sh", service, inside, uid, SANDBOXES)
    done = process.run(cluster.arguments_on(machine, *words), timeout=SECONDS)
    if done.status != 0:
        return [f"nothing is told by {service}: {done.stderr.strip()[-200:]}"]
    return done.stdout.splitlines()


def newest_job(cluster: Machines, user: str) -> int:
    """The id of a user's newest job; 0 where the controller remembers none."""
    words = ("squeue", "--states=all", "--noheader", f"--user={user}", "--format=%A")
    return max(map(int, cluster.on_service("head", "controller", *words).split()), default=0)


def jobs_started(cluster: Machines, user: str, began: float, newest: int) -> int:
    """How many jobs of a user, newer than one, Slurm has started since then.

    Accounting knows whole seconds only: without the id, those of the same second would count.
    """
    words = ("sacct", "--allocations", "--noheader", "--parsable2", f"--user={user}",
             f"--starttime=uts{int(began)}", "--format=JobIDRaw,Start")  # fmt: skip
    lines = cluster.on_service("head", "controller", *words).splitlines()
    jobs = [line.split("|") for line in lines]
    return sum(int(job) > newest and start not in ("Unknown", "None") for job, start in jobs)


def ids(cluster: Machines, users: Sequence[str]) -> dict[str, str]:
    """The numbers of accounts."""
    return {user: cluster.check("run", user, "id", "-u").strip() for user in users}

"""The cluster's services: deploy them, see how they are, remove them."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cfiddle_slurm import process
from cfiddle_slurm.cluster import kit
from cfiddle_slurm.cluster.images import CLUSTER, IMAGES, USER, Image

NAME = "cfiddle"
VOLUMES = tuple(f"cfiddle_{name}" for name in ("database", "state", "munge", "run", "home"))
SANDBOX_LABEL = "cfiddle-slurm.sandbox=1"
_SECONDS = 120.0


class NotHealthy(Exception):
    """A service did not become healthy; the message names it and has its last words."""


@dataclass(frozen=True)
class Service:
    """A service, how many tasks of it are healthy, and how many there should be."""

    name: str
    healthy: int
    wanted: int

    @property
    def is_healthy(self) -> bool:
        return self.healthy >= self.wanted > 0


@dataclass(frozen=True)
class NfsHome:
    """Where /home comes from when it is not a volume of this machine."""

    server: str
    path: str
    options: str = "rw,hard,nfsvers=4.2"


def versioned(image: Image) -> str:
    """A tag that changes with the image's content, so that services follow a new build.

    Raises:
        ProcessError: there is no such image.
    """
    arguments = ["docker", "image", "inspect", "--format", "{{.Id}}", image.tag]
    identity = process.check(arguments, timeout=_SECONDS).strip().removeprefix("sha256:")
    tag = f"{image.name}:{identity[:12]}"
    process.check(["docker", "tag", image.tag, tag], timeout=_SECONDS)
    return tag


def environment(port: int, home: NfsHome | None = None) -> dict[str, str]:
    """What the compose files' ``${...}`` stand for."""
    values = {
        "CFIDDLE_CLUSTER_IMAGE": versioned(CLUSTER),
        "CFIDDLE_USER_IMAGE": versioned(USER),
        "CFIDDLE_JUPYTER_PORT": str(port),
    }
    if home is not None:
        values |= {
            "CFIDDLE_NFS_SERVER": home.server,
            "CFIDDLE_NFS_PATH": home.path,
            "CFIDDLE_NFS_OPTIONS": home.options,
        }
    return {**os.environ, **values}


def files(home: NfsHome | None = None) -> list[str]:
    """The compose files, as options of ``docker stack``."""
    names = ["stack.yml"] if home is None else ["stack.yml", "nfs.yml"]
    return [f"--compose-file={kit.folder('cluster') / name}" for name in names]


def rendered(port: int, home: NfsHome | None = None) -> str:
    """The stack as Docker understands it.

    Raises:
        ProcessError: Docker does not accept it.
    """
    arguments = ["docker", "stack", "config", *files(home)]
    return process.check(arguments, timeout=_SECONDS, env=environment(port, home))


def deploy(port: int, home: NfsHome | None = None) -> None:
    """Start the services, or bring running ones up to date.

    Raises:
        ProcessError: Docker refused.
    """
    arguments = ["docker", "stack", "deploy", "--resolve-image=never", "--detach=true"]
    process.check([*arguments, *files(home), NAME], timeout=_SECONDS, env=environment(port, home))


def services() -> list[Service]:
    """The services of the stack; none when it is not deployed.

    Raises:
        ProcessError: Docker does not answer.
    """
    arguments = ["docker", "service", "ls", f"--filter=label=com.docker.stack.namespace={NAME}"]
    lines = process.check([*arguments, "--format={{json .}}"], timeout=_SECONDS).splitlines()
    return sorted((parse_service(line) for line in lines), key=lambda service: service.name)


def parse_service(line: str) -> Service:
    """A service from one line of ``docker service ls --format '{{json .}}'``."""
    fields = json.loads(line)
    # "1/1", or "1/1 (max 1 per node)"
    healthy, _, wanted = fields["Replicas"].split()[0].partition("/")
    return Service(fields["Name"].removeprefix(f"{NAME}_"), int(healthy), int(wanted))


def wait_until_healthy(seconds: float, say: Callable[[str], None]) -> None:
    """Wait until every service is healthy and none is still being replaced.

    Raises:
        NotHealthy: a service is not, after so many seconds.
        ProcessError: Docker does not answer.
    """
    give_up = time.monotonic() + seconds
    told: set[str] = set()
    while True:
        found = services()
        waiting = [service.name for service in found if not service.is_healthy]
        waiting += [name for name in _being_updated(found) if name not in waiting]
        for service in found:
            if service.name not in waiting and service.name not in told:
                told.add(service.name)
                say(f"{service.name} is healthy")
        if found and not waiting:
            return
        if time.monotonic() > give_up:
            raise NotHealthy(_why(waiting[0] if waiting else "the stack", seconds))
        time.sleep(0.5)


def _being_updated(found: list[Service]) -> list[str]:
    names = [f"{NAME}_{service.name}" for service in found]
    if not names:
        return []
    template = "{{.Spec.Name}} {{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
    arguments = ["docker", "service", "inspect", "--format", template, *names]
    lines = process.check(arguments, timeout=_SECONDS).splitlines()
    return [
        name.removeprefix(f"{NAME}_")
        for name, _, state in (line.partition(" ") for line in lines)
        if state == "updating"
    ]


def _why(name: str, seconds: float) -> str:
    service = f"{NAME}_{name}"
    tasks = process.run(
        ["docker", "service", "ps", "--no-trunc", "--format={{.CurrentState}} {{.Error}}", service],
        timeout=_SECONDS,
    )
    logs = process.run(
        ["docker", "service", "logs", "--raw", "--tail=10", service], timeout=_SECONDS
    )
    return (
        f"The service {name} is not healthy after {seconds:.0f} seconds.\n"
        f"Its tasks: {' | '.join(tasks.stdout.split(chr(10))[:3])}\n"
        f"Its last words:\n{(logs.stdout + logs.stderr).strip()}"
    )


def container_of(service: str) -> str:
    """The id of the healthy container of a service on this machine.

    Raises:
        NotHealthy: there is none.
    """
    found = process.check(
        [
            "docker", "ps", "--quiet", "--filter=health=healthy",
            f"--filter=label=com.docker.swarm.service.name={NAME}_{service}",
        ],
        timeout=_SECONDS,
    ).split()  # fmt: skip
    if not found:
        raise NotHealthy(f"The service {service} has no healthy container on this machine.")
    return found[0]


def remove(seconds: float = 120.0) -> None:
    """Remove the services, their networks and what sandboxes are left, and wait until all is gone.

    Raises:
        NotHealthy: something does not go away.
        ProcessError: Docker refused.
    """
    if services():
        process.check(["docker", "stack", "rm", NAME], timeout=_SECONDS)
    give_up = time.monotonic() + seconds
    while left := list(_left()):
        if time.monotonic() > give_up:
            raise NotHealthy(f"These do not go away: {', '.join(left)}")
        time.sleep(0.5)
    sandboxes = process.check(
        ["docker", "ps", "--all", "--quiet", f"--filter=label={SANDBOX_LABEL}"], timeout=_SECONDS
    ).split()
    if sandboxes:
        process.check(["docker", "rm", "--force", *sandboxes], timeout=_SECONDS)


def _left() -> Iterator[str]:
    label = f"--filter=label=com.docker.stack.namespace={NAME}"
    for kind in (["ps", "--all"], ["network", "ls"]):
        template = "{{.Names}}" if kind[0] == "ps" else "{{.Name}}"
        yield from process.check(
            ["docker", *kind, label, f"--format={template}"], timeout=_SECONDS
        ).split()


def remove_volumes() -> list[str]:
    """Remove all data: homes, accounting, Slurm's state. Returns what was removed.

    Raises:
        ProcessError: a volume is in use.
    """
    arguments = ["docker", "volume", "ls", "--quiet"]
    found = set(process.check(arguments, timeout=_SECONDS).split())
    gone = [name for name in VOLUMES if name in found]
    if gone:
        process.check(["docker", "volume", "rm", *gone], timeout=_SECONDS)
    return gone


def remove_old_tags() -> None:
    """Remove the versioned tags of builds that no service uses any more."""
    for image in IMAGES:
        arguments = ["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", image.name]
        for tag in process.check(arguments, timeout=_SECONDS).split():
            if tag not in (image.tag, versioned(image)):
                # Refused while a container still uses it: then it stays until the next time.
                process.run(["docker", "image", "rm", tag], timeout=_SECONDS)

"""The cluster's services: deploy them, see how they are, remove them."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.hosts.waiting import until
from cfiddle_slurm.cluster.image import content
from cfiddle_slurm.cluster.image.images import CLUSTER, USER, Image
from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.sandbox.daemon import container_config

NAME = "cfiddle"
HOME_VOLUME = "cfiddle_home"
VOLUMES = (
    "cfiddle_database", "cfiddle_state", "cfiddle_munge", "cfiddle_munge_user", "cfiddle_run",
    "cfiddle_spool", "cfiddle_registry", HOME_VOLUME,
)  # fmt: skip
SANDBOX_LABEL = f"{container_config.LABEL}={container_config.INSTANCE}"
_NAMESPACE = f"label=com.docker.stack.namespace={NAME}"


class NotHealthy(ClusterError):
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


def versioned(head: Machine, image: Image) -> str:
    """A tag that changes with the image's content, so that services follow a new build.

    Raises:
        MachineError: there is no such image.
    """
    identity = content.of(head, [image]).get(image.name)
    if identity is None:
        raise MachineError(f"{head} has no image {image.tag}.")
    tag = image.tag_of(identity)
    head.docker("tag", image.tag, tag)
    return tag


def user_memory(head: Machine, config: Config) -> int:
    """How many bytes all on the user node may use together: what else the head does goes on.

    Raises:
        MachineError: Docker does not answer.
    """
    return config.user_memory or int(head.docker("info", "--format={{.MemTotal}}")) * 3 // 4


def check_home(head: Machine, config: Config) -> bool:
    """Whether the head has its volume of the homes.

    Raises:
        ConfigError: it has one that is another folder's.
        MachineError: Docker does not answer.
    """
    options = rendering.home_options(config)
    known = head.try_docker("volume", "inspect", "--format={{json .Options}}", HOME_VOLUME)
    if known.status != 0:
        return False
    found = json.loads(known.stdout) or {}
    if found != options:
        raise ConfigError(
            f"The homes on {head} are in {_place(found)}, and cluster.toml says {_place(options)}."
            " Set home and home_path back; docs/cluster.md says how to move homes."
        )
    return True


def _place(options: dict[str, str]) -> str:
    return options.get("device") or f"the volume {HOME_VOLUME}"


def ensure_home(head: Machine, config: Config) -> None:
    """Make the head's volume of the homes, as the compose files would.

    Raises:
        ConfigError: there is one already that is another folder's.
        MachineError: Docker refused.
    """
    if check_home(head, config):
        return
    options = rendering.home_options(config)
    head.docker(
        "volume", "create", "--driver=local",
        *(f"--opt={key}={value}" for key, value in options.items()), HOME_VOLUME,
    )  # fmt: skip


def deploy(head: Machine, config: Config, only: Collection[str] = ()) -> dict[str, str]:
    """Start all services but the user node, or bring them up to date, one machine after another.

    Args:
        only: no services but these, if there are any here.

    Returns:
        What the compose files' variables stand for, for :func:`deploy_user_node`.

    Raises:
        MachineError: Docker refused.
    """
    known = configurations(head)
    for file in rendering.configuration(config):
        if file.name not in known:
            head.docker("config", "create", file.name, "-", input=file.text.encode())
    images = versioned(head, CLUSTER), versioned(head, USER)
    variables = rendering.environment(config, *images, user_memory(head, config))
    _deploy(head, rendering.compose_files(config), variables, only)
    return variables


def deploy_user_node(head: Machine, config: Config, variables: Mapping[str, str]) -> None:
    """Start the user node, or replace it by another if anything in it has changed.

    Raises:
        MachineError: Docker refused.
    """
    _deploy(head, rendering.compose_files(config, rendering.USER_NODE), variables)


def _deploy(
    head: Machine, options: list[str], variables: Mapping[str, str], only: Collection[str] = ()
) -> None:
    text = b""
    if only:
        whole = head.docker("stack", "config", *options, env=variables)
        text, options = rendering.only(whole, only).encode(), ["--compose-file=-"]
    # What is not named, the other part of the stack, stays as it is.
    arguments = ["stack", "deploy", "--resolve-image=never", "--detach=true"]
    head.docker(*arguments, *options, NAME, input=text or None, env=variables)


def configurations(head: Machine) -> set[str]:
    """The names of the files that our services get from the swarm."""
    names = head.docker("config", "ls", "--format={{.Name}}").split()
    return {name for name in names if name.startswith(rendering.CONFIG_PREFIX)}


def remove_old_configuration(head: Machine, config: Config) -> None:
    """Remove the configurations that no service uses any more."""
    keep = {file.name for file in rendering.configuration(config)}
    for name in sorted(configurations(head) - keep):
        head.try_docker("config", "rm", name)  # refused while a service still uses it


def services(head: Machine) -> list[Service]:
    """The services of the stack; none when it is not deployed.

    Raises:
        MachineError: Docker does not answer.
    """
    lines = head.docker("service", "ls", f"--filter={_NAMESPACE}", "--format={{json .}}")
    found = (parse_service(line) for line in lines.splitlines())
    return sorted(found, key=lambda service: service.name)


def published_ports(head: Machine) -> set[int]:
    """The ports that the stack publishes already."""
    template = "{{range .Endpoint.Spec.Ports}}{{.PublishedPort}} {{end}}"
    done = head.try_docker("service", "inspect", f"--format={template}", f"{NAME}_user")
    return {int(word) for word in done.stdout.split()} if done.status == 0 else set()


def parse_service(line: str) -> Service:
    """A service from one line of ``docker service ls --format '{{json .}}'``."""
    fields = json.loads(line)
    # "1/1", or "1/1 (max 1 per node)"
    healthy, _, wanted = fields["Replicas"].split()[0].partition("/")
    return Service(fields["Name"].removeprefix(f"{NAME}_"), int(healthy), int(wanted))


def wait_until_healthy(head: Machine, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until every service is healthy and none is still being replaced.

    Raises:
        NotHealthy: a service is not, after so many seconds.
        MachineError: Docker does not answer.
    """
    told: set[str] = set()
    for _ in until(seconds):
        found = services(head)
        waiting = [service.name for service in found if not service.is_healthy]
        updates = inspected(head, found, "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}")
        waiting += [n for n, at in updates.items() if at == "updating" and n not in waiting]
        for service in found:
            if service.name not in waiting and service.name not in told:
                told.add(service.name)
                say(f"{service.name} is healthy")
        if found and not waiting:
            return
    raise NotHealthy(_why(head, waiting[0] if waiting else "the stack", seconds))


def inspected(head: Machine, found: list[Service], template: str) -> dict[str, str]:
    """What Docker tells of services, by name.

    Args:
        template: of Go, for ``docker service inspect``.

    Raises:
        MachineError: Docker does not answer.
    """
    if not found:
        return {}
    names = [f"{NAME}_{service.name}" for service in found]
    told = head.docker("service", "inspect", f"--format={{{{.Spec.Name}}}}|{template}", *names)
    rows = (line.partition("|") for line in told.splitlines() if line.strip())
    return {name.removeprefix(f"{NAME}_"): words for name, _, words in rows}


def _why(head: Machine, name: str, seconds: float) -> str:
    service = f"{NAME}_{name}"
    template = "{{.Node}}: {{.CurrentState}} {{.Error}}"
    tasks = head.try_docker("service", "ps", "--no-trunc", f"--format={template}", service)
    logs = head.try_docker("service", "logs", "--raw", "--tail=10", service)
    return (
        f"The service {name} is not healthy after {seconds:.0f} seconds.\n"
        f"Its tasks: {' | '.join(tasks.stdout.splitlines()[:3])}\n"
        f"Its last words:\n{(logs.stdout + logs.stderr).strip()}"
    )


def container_on(machine: Machine, service: str) -> str:
    """The id of the healthy container of a service on a machine.

    Raises:
        NotHealthy: there is none.
    """
    label = f"label=com.docker.swarm.service.name={NAME}_{service}"
    found = machine.docker("ps", "--quiet", "--filter=health=healthy", f"--filter={label}").split()
    if not found:
        raise NotHealthy(f"The service {service} has no healthy container on {machine}.")
    return found[0]


def remove(head: Machine, seconds: float = 180.0) -> None:
    """Remove the services, their networks and configurations, and wait until all is gone.

    Raises:
        NotHealthy: something does not go away.
        MachineError: Docker refused.
    """
    if services(head):
        head.docker("stack", "rm", NAME)
    wait_until_gone(head, seconds)
    for name in sorted(configurations(head)):
        head.docker("config", "rm", name)


def wait_until_gone(machine: Machine, seconds: float = 180.0) -> None:
    """Wait until a machine has no container of the stack; remove the sandboxes that are left.

    Raises:
        NotHealthy: something does not go away.
    """
    for _ in until(seconds):
        if not (left := list(_left(machine))):
            break
    else:
        raise NotHealthy(f"These could not be removed on {machine}: {', '.join(left)}")
    sandboxes = machine.docker("ps", "--all", "--quiet", f"--filter=label={SANDBOX_LABEL}").split()
    if sandboxes:
        machine.docker("rm", "--force", *sandboxes)


def _left(machine: Machine) -> Iterator[str]:
    ours = f"--filter={_NAMESPACE}"
    yield from machine.docker("ps", "--all", ours, "--format={{.Names}}").split()
    yield from machine.docker("network", "ls", ours, "--format={{.Name}}").split()


def remove_volumes(machine: Machine) -> None:
    """Remove a machine's data: homes, accounting, Slurm's state.

    Raises:
        MachineError: a volume is in use.
    """
    found = set(machine.docker("volume", "ls", "--quiet").split())
    gone = [name for name in VOLUMES if name in found]
    if gone:
        machine.docker("volume", "rm", *gone)

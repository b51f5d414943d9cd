"""The user node while the rest of the cluster changes.

A notebook lives as long as the user node's container. So this one is replaced when nobody has
anything open there, or when the administrator says so; until then it stays at its version, and the
sandbox image of that version stays on the workers (:mod:`cfiddle_slurm.sandbox.daemon.request`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cfiddle_slurm.cluster.hosts.fleet import Fleet
from cfiddle_slurm.cluster.hosts.machines import Machine, all_of
from cfiddle_slurm.cluster.hosts.waiting import until
from cfiddle_slurm.cluster.image.images import CLUSTER
from cfiddle_slurm.cluster.people import open_work
from cfiddle_slurm.cluster.people.open_work import OpenWork
from cfiddle_slurm.cluster.services import rendering, stack
from cfiddle_slurm.cluster.site.config import Config

Say = Callable[[str], None]
USER, NEWEST = "user", "sandboxd"
_FIRST = ("database", "accounting")
_PAUSE = 0.2
_NOTICE_SECONDS = 10.0
_TEMPLATE = (
    "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    '|{{index .Spec.Labels "cfiddle.user"}}|{{index .Spec.Labels "cfiddle.sandbox"}}'
)


@dataclass(frozen=True)
class Deployed:
    """What a service was deployed as.

    Attributes:
        image: its own.
        edition: of the user node that goes with it; see :func:`.rendering.edition`.
        sandbox: the image that runs get.
    """

    image: str
    edition: str = ""
    sandbox: str = ""


@dataclass(frozen=True)
class Postponed:
    """A replacement of the user node that was not made, since it would cut somebody off.

    Attributes:
        open: what of whom.
        variables: for :func:`finish`.
    """

    open: OpenWork
    variables: Mapping[str, str]

    def __str__(self) -> str:
        return (
            f"Open on the user node: {self.open}. The user node keeps its version until they are"
            " closed, and their runs continue. After that the next `update` replaces it;"
            " `update --now` replaces it at once, `update --at 03:00` at that time. A notebook is"
            " open until its kernel is shut down, however long it has been idle."
        )


@dataclass
class Work:
    """A cluster that is being brought up.

    Attributes:
        config: what it is to become; steps fill in what only the machines know.
        seconds: how long its services may take to become healthy.
        now: whether the user node is replaced even if that cuts somebody off.
        before: the services that ran at the beginning.
        variables: what the compose files' variables stand for.
        postponed: what was left out, so that nobody is cut off.
    """

    config: Config
    seconds: float
    say: Say
    now: bool = False
    before: Mapping[str, Deployed] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    postponed: Postponed | None = None

    def __post_init__(self) -> None:
        self.head, *workers = all_of(self.config)
        self.fleet = Fleet(workers, self.say)

    @property
    def alone(self) -> bool:
        """Whether there are no workers, and the head measures itself."""
        return not self.config.workers

    @property
    def heads_roles(self) -> tuple[str, ...]:
        """What the head is for."""
        return ("head", "user", "worker") if self.alone else ("head", "user")


def deployed(head: Machine) -> dict[str, Deployed]:
    """What runs, by service; nothing where the cluster is not up.

    Raises:
        MachineError: Docker does not answer.
    """
    found = stack.inspected(head, stack.services(head), _TEMPLATE)
    return {name: Deployed(*words.split("|")) for name, words in found.items()}


def is_older(services: Mapping[str, Deployed]) -> bool:
    """Whether the user node is not the one that goes with the rest of the cluster."""
    if USER not in services or NEWEST not in services:
        return False
    return services[USER].edition != services[NEWEST].edition


def images_in_use(services: Mapping[str, Deployed]) -> set[str]:
    """The images that must stay: the services' own, and those that notebooks' runs get."""
    return {image for each in services.values() for image in (each.image, each.sandbox)} - {""}


def roll_out(work: Work) -> None:
    """Start everything but the user node, or bring it up to date.

    The database comes first, as Slurm's upgrade guide has it. The controller waits for it at its
    start, and whoever submits a run meanwhile waits for the controller, which must not be long.

    Raises:
        MachineError, NotHealthy: it does not become what it should be.
    """
    head, config, services, seconds = work.head, work.config, work.before, work.seconds
    image = stack.versioned(head, CLUSTER)
    if all(name in services and services[name].image != image for name in _FIRST):
        before = [_container(head, name) for name in _FIRST]
        stack.deploy(head, config, _FIRST)
        for name, old in zip(_FIRST, before, strict=True):
            if all(_container(head, name) in ("", old) for _ in until(seconds, _PAUSE)):
                raise stack.NotHealthy(
                    f"The new {name} is not healthy after {seconds:.0f} seconds"
                    f" (`logs {name}`); nothing else was changed."
                )
    work.variables = stack.deploy(head, config)


def _container(head: Machine, name: str) -> str:
    """The healthy container of a service on the head; empty if there is none."""
    try:
        return stack.container_on(head, name)
    except stack.NotHealthy:
        return ""


def deploy_user_node(work: Work) -> None:
    """Start the user node where that cuts nobody off: it is new, or unchanged, or does not run.

    Raises:
        MachineError: Docker does not answer.
    """
    user = work.before.get(USER)
    is_current = user is None or user.edition == work.variables[rendering.EDITION]
    if is_current or not _container(work.head, USER):
        stack.deploy_user_node(work.head, work.config, work.variables)


def replace_user_node(work: Work) -> None:
    """Replace a user node that is older than the rest, unless that would cut somebody off.

    Raises:
        MachineError, NotHealthy: it cannot be replaced.
    """
    head = work.head
    if deployed(head)[USER].edition == work.variables[rendering.EDITION]:
        return
    found = open_work.look(head)
    if found and not work.now:
        work.postponed = Postponed(found, work.variables)
        return
    if found:
        work.say(f"replacing the user node cuts off: {found}")
    before = _task(head)
    stack.deploy_user_node(head, work.config, work.variables)
    # Docker takes a moment to see what is to be replaced, in which all looks healthy.
    for _ in until(_NOTICE_SECONDS, _PAUSE):
        if _task(head) != before:
            break
    stack.wait_until_healthy(head, work.seconds, lambda text: None)  # the others are, as was said
    work.say("the user node is replaced")


def _task(head: Machine) -> str:
    service = f"{stack.NAME}_{USER}"
    return head.docker("service", "ps", "--quiet", "--filter=desired-state=running", service)


def finish(postponed: Postponed, config: Config, seconds: float, say: Say) -> bool:
    """Make a replacement that was postponed, whoever is cut off.

    Args:
        seconds: how long the new one may take to become healthy.

    Returns:
        Whether it was still to be made: another `update` may have come in between.

    Raises:
        MachineError, NotHealthy: it cannot be made.
    """
    work = Work(config, seconds, say, now=True, variables=postponed.variables)
    services = deployed(work.head)
    wanted = postponed.variables[rendering.EDITION]
    if not is_older(services) or services[NEWEST].edition != wanted:
        return False
    replace_user_node(work)
    return True


def next_time(text: str, now: datetime) -> datetime:
    """When it is next that time of day.

    Args:
        text: ``HH:MM``.

    Raises:
        ValueError: it is none.
    """
    wanted = datetime.strptime(text, "%H:%M")
    found = now.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
    return found if found > now else found + timedelta(days=1)

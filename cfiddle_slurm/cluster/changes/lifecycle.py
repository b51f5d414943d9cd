"""Bring a cluster up, change it, take it down. Each step does only what is missing."""

import enum
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cfiddle_slurm.cluster.changes import bring_up, revival, unchanged, upgrade, workers
from cfiddle_slurm.cluster.changes.upgrade import Postponed, Say, Work
from cfiddle_slurm.cluster.hosts.machines import Machine, head_of, require, try_each
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.members import swarm, swarm_state
from cfiddle_slurm.cluster.people import accounts
from cfiddle_slurm.cluster.services import credentials, slurm, stack
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import ProcessError


class State(enum.Enum):
    """What would become of a step."""

    DONE = "done"
    TO_DO = "to do"
    EACH_TIME = "each time"
    FAILS = "fails"


@dataclass(frozen=True)
class Step:
    """One step of a change. It does only what is missing.

    Attributes:
        name: by which others need it.
        does: what it does, in a few words.
        act: does it.
        needs: the steps without which it cannot be done.
        only_looks: whether it changes nothing: it finds that all is well, or fails.
        is_done: looks, and changes nothing, whether :attr:`act` would find nothing missing; None
            where that cannot be told without doing it.
        concerns: whether a change like this one has this step.
    """

    name: str
    does: str
    act: Callable[[Work], object]
    needs: tuple[str, ...] = ()
    only_looks: bool = False
    is_done: Callable[[Work], bool] | None = None
    concerns: Callable[[Work], bool] = lambda work: True


@dataclass(frozen=True)
class Foreseen:
    """What a step would do now; for one that fails, why."""

    step: Step
    state: State
    why: str = ""


STEPS: tuple[Step, ...] = (
    # What is refused is refused before anything is changed.
    Step("head", "reach the head and its Docker", lambda w: require(w.head), only_looks=True),
    Step("certificates", "renew the certificates of a swarm that was off for too long",
         lambda w: revival.renew_if_expired(w.head, w.say), ("head",),
         is_done=lambda w: revival.is_fine(w.head)),
    Step("swarm-answers", "check that the head's swarm answers",
         lambda w: swarm_state.check(w.head), ("certificates",), only_looks=True),
    Step("images", "check that the images are built", lambda w: distribution.check_built(w.head),
         ("head",), only_looks=True),
    Step("data", "check that name and homes are those of the existing data",
         lambda w: unchanged.check(w.head, w.config), ("swarm-answers", "images"), only_looks=True),
    Step("workers", "reach the workers", bring_up.reach_workers, ("head",), only_looks=True,
         concerns=lambda w: not w.alone),
    Step("machines", "check that all are different machines, and in no other cluster",
         bring_up.check_machines, ("swarm-answers", "workers"), only_looks=True,
         concerns=lambda w: not w.alone),
    Step("port", "check that JupyterLab's port is free", bring_up.check_port, ("swarm-answers",),
         only_looks=True),
    # What is changed.
    Step("swarm", "make the head a swarm's manager, and let the workers join",
         bring_up.make_swarm, ("data", "machines", "port"), is_done=bring_up.are_members),
    Step("secrets", "make the secrets", lambda w: credentials.ensure(w.head), ("swarm",),
         is_done=lambda w: not credentials.missing(w.head)),
    Step("homes", "make the volume of the homes", lambda w: stack.ensure_home(w.head, w.config),
         ("data",), is_done=lambda w: stack.check_home(w.head, w.config)),
    Step("accounts", "add the cluster's own accounts",
         lambda w: accounts.add(w.head, accounts.TEST_ACCOUNTS), ("homes", "images"),
         is_done=lambda w: {a.name for a in accounts.listed(w.head)} >= {*accounts.TEST_ACCOUNTS}),
    Step("distribution", "bring the images to the workers", bring_up.bring_images,
         ("images", "workers"),
         is_done=lambda w: distribution.are_everywhere(w.head, w.fleet.machines)),
    # Only now: a machine's services start with its role, and they need its images.
    Step("roles", "give each machine its roles", bring_up.give_roles, ("swarm", "distribution"),
         is_done=bring_up.have_roles),
    Step("links", "remove the ends of networks that engines have left", bring_up.remove_left_links,
         ("roles",)),
    Step("services", "start all services but the user node, or bring them up to date",
         upgrade.roll_out, ("secrets", "homes", "roles"), is_done=bring_up.services_are_current),
    Step("user-node", "start the user node, if that cuts nobody off", upgrade.deploy_user_node,
         ("accounts", "services"), is_done=bring_up.user_node_is_current),
    Step("health", "wait until all services are healthy",
         lambda w: stack.wait_until_healthy(w.head, w.seconds, w.say), ("services",),
         is_done=bring_up.is_healthy),
    Step("limits", "tell the notebooks what the sandbox policy allows",
         bring_up.publish_limits, ("homes",)),
    Step("queue", "let the accounts use the workers", bring_up.enable, ("accounts", "health")),
    Step("quotas", "limit the size of each home", bring_up.set_quotas, ("accounts",),
         concerns=lambda w: bool(w.config.home_quota)),
    # Late: its notebooks are to find all that they need.
    Step("newer-user-node", "replace an older user node, unless that cuts somebody off",
         upgrade.replace_user_node, ("limits", "queue"), is_done=bring_up.user_node_is_current),
    Step("leftovers", "remove what earlier versions have left", bring_up.tidy_all,
         ("newer-user-node",)),
)  # fmt: skip
"""What ``up`` does, in order."""


def up(config: Config, seconds: float, say: Say, *, now: bool = False) -> Postponed | None:
    """Start the cluster, or bring a running one up to date.

    Workers that cannot take part do not hold up the others.

    Args:
        seconds: how long its services may take to become healthy.
        now: whether the user node is replaced even if that cuts somebody off.

    Returns:
        What was left out, so that nobody is.

    Raises:
        Incomplete: it is up, but for some workers, which the message names with their reasons.
        MachineError, NotHealthy, AccountError, ProcessError: it is not up; trying again goes on
            from where this ended.
    """
    work = Work(config, seconds, say, now=now)
    for step in STEPS:
        if step.concerns(work):
            step.act(work)
    if work.postponed and work.fleet.lost:
        say(str(work.postponed))
    work.fleet.finish("The rest is up.")
    return work.postponed


def foresee_up(config: Config, say: Say) -> list[Foreseen]:
    """What :func:`up` would do, as far as one sees without changing anything.

    A step that needs one which is still to be done is to be done, too: only then could one look.
    """
    work = Work(config, 0.0, say)
    found: list[Foreseen] = []
    missing: set[str] = set()
    for step in STEPS:
        if not step.concerns(work):
            continue
        one = Foreseen(step, State.TO_DO)
        if not missing.intersection(step.needs):
            one = _look(step, work)
        if one.state in (State.TO_DO, State.FAILS):
            missing.add(step.name)
        found.append(one)
    return found


def _look(step: Step, work: Work) -> Foreseen:
    try:
        if step.only_looks:
            step.act(work)
        elif step.is_done is None:
            return Foreseen(step, State.EACH_TIME)
        elif not step.is_done(work):
            return Foreseen(step, State.TO_DO)
    except (ClusterError, ProcessError) as error:
        return Foreseen(step, State.FAILS, str(error))
    return Foreseen(step, State.DONE)


def down(config: Config, *, purge: bool, say: Say) -> None:
    """Take the cluster down. Data stay, unless they are to be purged.

    Raises:
        MachineError, NotHealthy: something could not be removed.
    """
    head = head_of(config)
    require(head)
    others: list[swarm.Member] = []
    if swarm_state.check(head):
        own = swarm.node_id(head)
        others = [member for member in swarm.members(head) if member.node_id != own]
        # Services that stop would wait for jobs; without a controller there is nothing to ask.
        with suppress(ClusterError, ProcessError):
            if jobs := [job.job_id for job in slurm.queue(head)]:
                slurm.command(head, "scancel", "--quiet", *jobs)
        stack.remove(head)
    distribution.remove_registry(head)
    machines = [Machine(address, config.ssh_user) for address in config.workers]
    machines += [swarm.machine_of(one, config.ssh_user) for one in others if one.address]
    former: tuple[str, ...] = ()
    if machines:  # one that was off the last time
        former = (f"{swarm.address_of(head, config.advertise)}:{swarm.PORT}",)
    try_each(
        dict.fromkeys(machines),
        lambda each: workers.leave(each, others, purge=purge, say=say, former=former),
    )
    if swarm.was_made_here(head):
        swarm.leave(head)
    elif swarm.state(head) == "active":
        credentials.remove(head)
    if purge:
        stack.remove_volumes(head)

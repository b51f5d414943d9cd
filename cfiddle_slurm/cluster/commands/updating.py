"""The command that brings a running cluster up to date, while people work on it."""

import sys
import time
from datetime import datetime

import click

from cfiddle_slurm.cluster.changes import lifecycle, unchanged, upgrade
from cfiddle_slurm.cluster.commands import building
from cfiddle_slurm.cluster.commands.common import (
    INTERRUPTED,
    Cluster,
    console,
    health_timeout,
    pass_cluster,
    say,
    tell,
)
from cfiddle_slurm.cluster.hosts import lock
from cfiddle_slurm.cluster.image import images
from cfiddle_slurm.cluster.members import swarm_state

_STEP_SECONDS = 1.0


def _time_of_day(
    context: click.Context, option: click.Parameter, value: str | None
) -> datetime | None:
    try:
        return upgrade.next_time(value, datetime.now().astimezone()) if value else None
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time of day like 03:00.") from None


@click.command()
@click.option("--now", is_flag=True,
              help="Replace the user node at once, even if that ends open notebooks.")  # fmt: skip
@click.option("--at", metavar="HH:MM", callback=_time_of_day,
              help="If notebooks are open now, replace it at that time.")  # fmt: skip
@health_timeout
@pass_cluster
def update(cluster: Cluster, now: bool, at: datetime | None, timeout: float) -> None:
    """Bring a running cluster up to date; running jobs finish first.

    It builds new images and rolls out new settings. The user node is replaced last, and only
    when nobody has a notebook open there.
    """
    if now and at:
        raise click.UsageError("--now and --at cannot be used together.")
    config = cluster.config
    with lock.held(cluster.head, "update"):
        if not swarm_state.check(cluster.head):
            raise click.ClickException("The cluster is not up: `up` starts it.")
        unchanged.check(cluster.head, config)
        building.build(cluster.head, images.BuildSettings.of(config))
        longest = config.policy.wall_seconds + 120
        postponed = lifecycle.up(config, timeout + longest, say, now=now)
    if postponed is None:
        console.print("The cluster is up to date.")
        return
    console.print("Everything but the user node is up to date.")
    if at is None:
        tell(str(postponed))
        return
    tell(f"Open on the user node: {postponed.open}.")
    _wait_until(at)  # others may change the cluster meanwhile
    with lock.held(cluster.head, "update --at"):
        is_done = upgrade.finish(postponed, config, timeout, say)
    if is_done:
        console.print("The cluster is up to date.")
    else:
        console.print("Another update came first; nothing was left to do.")


def _wait_until(then: datetime) -> None:
    """Wait for a time of day; Ctrl-C ends the program."""
    console.print(f"Waiting until {then:%H:%M} to replace the user node; Ctrl-C cancels this.")
    try:
        # In small steps: the clock may be set, and a laptop may sleep.
        while datetime.now().astimezone() < then:
            time.sleep(_STEP_SECONDS)
    except KeyboardInterrupt:
        console.print("The user node stays as it is.")
        sys.exit(INTERRUPTED)

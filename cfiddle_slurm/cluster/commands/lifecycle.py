"""Commands for the cluster as a whole."""

import json
import sys
import time
from datetime import datetime

import click
from rich.markup import escape
from rich.table import Table

from cfiddle_slurm.cluster import (
    accounts,
    images,
    lifecycle,
    lock,
    overview,
    slurm,
    swarm,
    swarm_state,
    trial,
    unchanged,
    upgrade,
    user_node,
)
from cfiddle_slurm.cluster import (
    check as check_,
)
from cfiddle_slurm.cluster import (
    config as config_,
)
from cfiddle_slurm.cluster import (
    provision as provision_,
)
from cfiddle_slurm.cluster.commands import building, watching
from cfiddle_slurm.cluster.commands.common import Cluster, console, pass_cluster, say, tell
from cfiddle_slurm.cluster.fleet import Incomplete
from cfiddle_slurm.printable import one_line, printable

_COLOURS = {check_.Level.FINE: "green", check_.Level.WARNING: "yellow", check_.Level.FAILURE: "red"}
_STEP_SECONDS = 1.0
_INTERRUPTED = 130  # as a shell has it: 128 and the signal's number
_seconds = click.option("--timeout", default=180.0, show_default=True,
                        help="Seconds for all services to become healthy.")  # fmt: skip


@click.command()
@click.option("--head", default=config_.LOCAL, show_default=True, help="ssh address of the head.")
@click.option("--worker", "workers", multiple=True, help="ssh address of a worker; repeat it.")
@click.option("--ssh-user", default="root", show_default=True, help="The account there.")
@click.option("--home", type=click.Choice(config_.HOMES),
              help="Source of the shared home; else nfs with workers, volume without.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@pass_cluster
def init(
    cluster: Cluster,
    head: str,
    workers: tuple[str, ...],
    ssh_user: str,
    home: str | None,
    force: bool,
) -> None:
    """Write a commented cluster.toml.

    Without --worker it describes a cluster of one machine.
    """
    if cluster.file.exists() and not force:
        tell(f"{cluster.file} is there already, and stays as it is (--force replaces it).")
        return
    home = home or ("nfs" if workers else "volume")
    values = {"head": head, "workers": workers, "ssh_user": ssh_user, "home": home}
    text = config_.example(values)
    config_.parse(text, str(cluster.file))
    config_.write(cluster.file, text)
    tell(f"{cluster.file} is written. Look it through; `check` is next.")


@click.command()
@pass_cluster
def check(cluster: Cluster) -> None:
    """Check that every machine can be part of the cluster.

    The exit status is 0 when all is fine, 1 when there are warnings, 2 when it cannot work.
    """
    findings = check_.run(cluster.config)
    table = Table("machine", "what", "found", "how to fix it")
    for row in findings:
        colour = _COLOURS[row.level]
        found = f"[{colour}]{escape(row.found)}[/{colour}]"
        table.add_row(row.machine, row.what, found, escape(row.mend))
    console.print(table)
    worst = check_.verdict(findings)
    console.print({0: "All is fine.", 1: "It can work; see the warnings.",
                   2: "It cannot work like this."}[int(worst)])  # fmt: skip
    sys.exit(int(worst))


@click.command()
@pass_cluster
def provision(cluster: Cluster) -> None:
    """Install what machines lack.

    That is Docker, the account cfiddle and, with home = "nfs", the exported home.
    """
    provision_.all_machines(cluster.config, say)
    console.print("All machines are prepared.")


@click.command()
@click.option(
    "--local", is_flag=True, help="All parts on this one machine, whatever the file says."
)
@click.option("--no-test", is_flag=True, help="Leave out the experiments at the end.")
@_seconds
@pass_cluster
def up(cluster: Cluster, local: bool, no_test: bool, timeout: float) -> None:
    """Start the cluster, or bring it up to date.

    At the end every worker runs a real experiment. Without workers in the file, the head measures.
    """
    began = time.monotonic()
    if local:
        cluster.use_local()
    elif not cluster.config.workers:
        say(f"a cluster of one machine: {cluster.head} measures, too")
    incomplete = postponed = None
    try:
        postponed = lifecycle.up(cluster.config, timeout, say)
    except Incomplete as error:
        incomplete = error
    console.print(f"The cluster is up ({time.monotonic() - began:.0f} s).")
    if postponed:
        console.print(str(postponed), markup=False)
    measures = no_test or _try(cluster, incomplete.lost if incomplete else frozenset())
    if incomplete:
        console.print(f"JupyterLab: {_jupyter(cluster)}", soft_wrap=True)
        raise incomplete
    if not measures:
        raise click.ClickException("The cluster is up, but not every worker measures.")
    console.print(f"JupyterLab: {_jupyter(cluster)}", soft_wrap=True)


def _jupyter(cluster: Cluster) -> str:
    head = cluster.head
    address = "127.0.0.1" if head.is_local else head.address
    return user_node.jupyter_url(head, address, cluster.config.jupyter_port)


@click.command()
@click.option("--purge", is_flag=True, help="Also remove all data: homes, accounting, state.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_cluster
def down(cluster: Cluster, purge: bool, yes: bool) -> None:
    """Stop and remove the cluster; its data stay.

    Data are the homes, the accounting and Slurm's state; --purge removes them, too.
    """
    name = cluster.config.name
    if purge and not yes:
        typed = click.prompt(
            f"This removes all homes and results. Type the name {name!r}", type=str
        )
        if typed != name:
            raise click.ClickException("That is not its name: nothing was done.")
    lifecycle.down(cluster.config, purge=purge, say=say)
    console.print("The cluster is down; its data are " + ("removed." if purge else "kept."))


@click.command()
@click.option("--watch", is_flag=True, help="Refresh every 2 seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_cluster
def status(cluster: Cluster, watch: bool, as_json: bool) -> None:
    """Show services, workers, queue and disks.

    The exit status is 1 when something is wrong.
    """
    if watch:
        if as_json:
            raise click.UsageError("--watch and --json exclude each other.")
        watching.watch(cluster)
    facts = overview.gather(cluster.head, cluster.config.ssh_user)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        console.print(overview.shown(facts))
        console.print(f"JupyterLab: {_jupyter(cluster)}", soft_wrap=True)
    sys.exit(0 if overview.healthy(facts) else 1)


@click.command("test")
@pass_cluster
def try_all(cluster: Cluster) -> None:
    """Run a real experiment on every worker.

    Then two users run one each at the same time.
    """
    if not _try(cluster):
        raise click.ClickException("Not every worker measures.")


def _try(cluster: Cluster, lost: frozenset[str] = frozenset()) -> bool:
    """Show a table of experiments; whether all went right.

    Args:
        lost: addresses of workers that are known to be dead; Slurm may not have noticed yet.
    """
    head = cluster.head
    nodes, members = slurm.nodes(head), swarm.workers(head)
    dead = {m.hostname for m in members if not m.ready or m.address in lost}
    usable = [node.name for node in nodes if node.usable and node.name not in dead]
    kept_out = {node.name: node.reason for node in nodes if node.kept_out}
    absent = {m.hostname for m in members} - {*usable, *kept_out}
    user, *others = accounts.TEST_ACCOUNTS
    trials = trial.on_workers(head, usable, user) + trial.of_users_at_once(head, others)
    table = Table("worker", "user", "value", "seconds", "from the median", "perf events")
    for one in trials:
        if one.error:
            table.add_row(one.worker, one.user, "", "", "", escape(one.error), style="red")
            continue
        off = f"{100 * one.deviation:+.1f} %" + ("" if one.alike else "  differs")
        table.add_row(one.worker, one.user, str(one.value), f"{one.seconds:.4f}", off, one.perf,
                      style=None if one.right and one.alike else "yellow")  # fmt: skip
    console.print(table)
    for name, reason in kept_out.items():
        say(f"{name} stays out of service until `worker resume`: {one_line(reason)}")
    for name in sorted(absent):
        console.print(f"[red]{name} takes no jobs[/red] (`status` says why).")
    return all(one.right for one in trials) and not absent and bool(usable)


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
              help="Replace it at that time, if notebooks are open now.")  # fmt: skip
@_seconds
@pass_cluster
def update(cluster: Cluster, now: bool, at: datetime | None, timeout: float) -> None:
    """Bring new images and settings to a running cluster; running jobs finish first.

    The user node comes last, and only once nobody has a notebook open there.
    """
    if now and at:
        raise click.UsageError("--now and --at exclude each other.")
    config = cluster.config
    with lock.held(cluster.head, "update"):
        swarm_state.check(cluster.head)
        if swarm.state(cluster.head) != "active":
            raise click.ClickException("The cluster is not up: `up` starts it.")
        unchanged.check(cluster.head, config)
        building.build(cluster.head, images.BuildSettings.of(config))
        longest = config.policy.wall_seconds + 120
        postponed = lifecycle.up(config, timeout + longest, say, now=now)
    if postponed is None:
        console.print("The cluster is up to date.")
        return
    console.print("All but the user node is up to date.")
    if at is None:
        tell(str(postponed))
        return
    tell(f"Open on the user node: {postponed.open}.")
    # Until then others may change the cluster.
    if not _wait_until(at):
        sys.exit(_INTERRUPTED)
    with lock.held(cluster.head, "update --at"):
        is_done = upgrade.replace(cluster.head, config, postponed, seconds=timeout, say=say)
    if is_done:
        console.print("The cluster is up to date.")
    else:
        console.print("Another update has come meanwhile: nothing was left to do.")


def _wait_until(then: datetime) -> bool:
    """Wait for a time of day; whether it came before Ctrl-C."""
    console.print(f"Waiting until {then:%H:%M} to replace it; Ctrl-C leaves it as it is.")
    try:
        # In small steps: the clock may be set, and a laptop may sleep.
        while datetime.now().astimezone() < then:
            time.sleep(_STEP_SECONDS)
    except KeyboardInterrupt:
        console.print("The user node stays as it is.")
        return False
    return True


@click.command("url")
@pass_cluster
def url(cluster: Cluster) -> None:
    """Print JupyterLab's address, token included."""
    click.echo(printable(_jupyter(cluster)))


COMMANDS = (init, check, provision, up, down, status, try_all, update, url)

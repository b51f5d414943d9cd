"""Commands for the cluster as a whole."""

import json
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn

import click
from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cfiddle_slurm.cluster.changes import lifecycle, provision
from cfiddle_slurm.cluster.changes.lifecycle import Foreseen, State
from cfiddle_slurm.cluster.commands.common import (
    Cluster,
    console,
    health_timeout,
    pass_cluster,
    pass_locked_cluster,
    say,
    tell,
)
from cfiddle_slurm.cluster.commands.updating import update
from cfiddle_slurm.cluster.health import check, overview, trial
from cfiddle_slurm.cluster.hosts.fleet import Incomplete
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.people import accounts, user_node
from cfiddle_slurm.cluster.services import slurm
from cfiddle_slurm.cluster.site.config import HOMES, LOCAL, example, parse, write
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.printable import one_line, printable
from cfiddle_slurm.process import ProcessError

_WATCH_SECONDS = 2.0
_STATE_COLOURS = {State.DONE: "green", State.TO_DO: "yellow", State.FAILS: "red"}
_COLOURS = {check.Level.FINE: "green", check.Level.WARNING: "yellow", check.Level.FAILURE: "red"}


@click.command()
@click.option("--head", default=LOCAL, show_default=True, help="ssh address of the head.")
@click.option("--worker", "workers", multiple=True, help="ssh address of a worker; repeatable.")
@click.option("--ssh-user", default="root", show_default=True, help="The account to log in to.")
@click.option("--home", type=click.Choice(HOMES),
              help="Source of the shared home (default: nfs; volume without workers).")  # fmt: skip
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
        tell(f"{cluster.file} already exists and was not changed (--force overwrites it).")
        return
    home = home or ("nfs" if workers else "volume")
    text = example({"head": head, "workers": workers, "ssh_user": ssh_user, "home": home})
    parse(text, str(cluster.file))
    write(cluster.file, text)
    tell(f"Wrote {cluster.file}. Read it through, then run `check`.")


@click.command("check")
@pass_cluster
def check_all(cluster: Cluster) -> None:
    """Check that every machine can be part of the cluster.

    The exit status is 0 when all is fine, 1 when there are warnings, 2 when the cluster
    cannot work.
    """
    findings = check.run(cluster.config)
    table = Table("machine", "what", "found", "how to fix it")
    for row in findings:
        colour = _COLOURS[row.level]
        found = f"[{colour}]{escape(row.found)}[/{colour}]"
        table.add_row(row.machine, row.what, found, escape(row.mend))
    console.print(table)
    worst = check.verdict(findings)
    console.print({0: "All is fine.", 1: "It can work; read the warnings.",
                   2: "It cannot work until the failures are fixed."}[int(worst)])  # fmt: skip
    sys.exit(int(worst))


@click.command("provision")
@pass_locked_cluster
def provision_all(cluster: Cluster) -> None:
    """Install what the machines need and do not have.

    That is Docker, the account cfiddle and, with home = "nfs", the export of the home.
    """
    provision.all_machines(cluster.config, say)
    console.print("All machines are prepared.")


@click.command()
@click.option(
    "--local", is_flag=True, help="Run all parts on this machine, whatever the file says."
)
@click.option("--no-test", is_flag=True, help="Skip the experiments at the end.")
@click.option("--now", is_flag=True,
              help="Replace the user node at once, even if that ends open notebooks.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what is still to be done, and change nothing.")
@health_timeout
@pass_locked_cluster
def up(
    cluster: Cluster, local: bool, no_test: bool, now: bool, dry_run: bool, timeout: float
) -> None:
    """Start the cluster, or bring it up to date.

    At the end every worker runs a real experiment. Without workers in the file, the head does.
    """
    began = time.monotonic()
    if local:
        cluster.config = cluster.local()
    elif not cluster.config.workers:
        say(f"a cluster of one machine: {cluster.head} measures, too")
    if dry_run:
        _show_plan(lifecycle.foresee_up(cluster.config, say))
        return
    incomplete = postponed = None
    try:
        postponed = lifecycle.up(cluster.config, timeout, say, now=now)
    except Incomplete as error:
        incomplete = error
    console.print(f"The cluster is up ({time.monotonic() - began:.0f} s).")
    if postponed:
        console.print(str(postponed), markup=False)
    measures = no_test or _try(cluster, incomplete.lost if incomplete else frozenset())
    if not measures and not incomplete:
        raise click.ClickException("The cluster is up, but not every worker can run experiments.")
    console.print(f"JupyterLab: {_jupyter(cluster)}", soft_wrap=True)
    if incomplete:
        raise incomplete


def _show_plan(steps: Iterable[Foreseen]) -> None:
    table = Table("step", "state", "what it does", "needs")
    for one in steps:
        does = escape(one.why) if one.state is State.FAILS else one.step.does
        table.add_row(one.step.name, one.state.value, does, ", ".join(one.step.needs),
                      style=_STATE_COLOURS.get(one.state))  # fmt: skip
    console.print(table)
    console.print("Nothing was changed.")


def _jupyter(cluster: Cluster) -> str:
    return user_node.jupyter_url(cluster.head, cluster.config.jupyter_port)


@click.command()
@click.option("--purge", is_flag=True, help="Also remove all data: homes, accounting, state.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_locked_cluster
def down(cluster: Cluster, purge: bool, yes: bool) -> None:
    """Stop and remove the cluster; its data stay.

    The data are the homes, the accounting and Slurm's state; --purge removes them, too.
    """
    name = cluster.config.name
    if purge and not yes:
        typed = click.prompt(
            f"This deletes all homes and results. Type the cluster's name, {name!r}", type=str
        )
        if typed != name:
            raise click.ClickException("That is not the cluster's name; nothing was removed.")
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
            raise click.UsageError("--watch and --json cannot be used together.")
        _watch(cluster)
    facts = overview.gather(cluster.head, cluster.config.ssh_user)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        console.print(overview.shown(facts))
        console.print(f"JupyterLab: {_jupyter(cluster)}", soft_wrap=True)
    sys.exit(1 if facts["trouble"] else 0)


def _watch(cluster: Cluster) -> NoReturn:
    """Show the cluster's state again and again; where nothing can be drawn anew, one after another.

    Whoever watches a cluster start or fail wants to see that, too: an error is shown, and no end.
    """

    def shown() -> RenderableType:
        try:
            return overview.shown(overview.gather(cluster.head, cluster.config.ssh_user))
        except (ClusterError, ProcessError) as error:
            return Text(str(error), style="red")

    try:
        if not console.is_terminal or console.is_dumb_terminal:
            while True:
                tell(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
                console.print(shown())
                time.sleep(_WATCH_SECONDS)
        with Live(shown(), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(_WATCH_SECONDS)
                live.update(shown(), refresh=True)
    except KeyboardInterrupt:
        sys.exit(0)


@click.command("test")
@pass_cluster
def try_all(cluster: Cluster) -> None:
    """Run a real experiment on every worker.

    Then two users each run one at the same time.
    """
    if not _try(cluster):
        raise click.ClickException("Not every worker can run experiments.")


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


@click.command("url")
@pass_cluster
def url(cluster: Cluster) -> None:
    """Print JupyterLab's address, token included."""
    click.echo(printable(_jupyter(cluster)))


COMMANDS = (init, check_all, provision_all, up, down, status, try_all, update, url)

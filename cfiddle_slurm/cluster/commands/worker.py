"""Commands for the workers."""

import click

from cfiddle_slurm.cluster.changes import workers
from cfiddle_slurm.cluster.commands.common import Cluster, Group, console, pass_locked_cluster, say


@click.group(cls=Group)
def worker() -> None:
    """Add, remove, drain and resume workers."""


@worker.command("add")
@click.argument("host")
@pass_locked_cluster
def add_worker(cluster: Cluster, host: str) -> None:
    """Add HOST to the workers; it takes jobs within a minute."""
    name = workers.add(cluster.config, cluster.file, host, say)
    console.print(f"{name} takes jobs.")


@worker.command("remove")
@click.argument("host")
@click.option("--timeout", default=900.0, show_default=True, help="Seconds to wait for its job.")
@pass_locked_cluster
def remove_worker(cluster: Cluster, host: str, timeout: float) -> None:
    """Remove HOST from the cluster after its current job finishes."""
    workers.remove(cluster.config, cluster.file, host, timeout, say)
    console.print(f"{host} is no longer a worker.")


@worker.command()
@click.argument("host")
@click.option("--reason", help="Why; `status` shows it.")
@pass_locked_cluster
def drain(cluster: Cluster, host: str, reason: str | None) -> None:
    """Stop sending jobs to HOST; its current job continues."""
    member = workers.find(cluster.head, host)
    workers.drain(cluster.head, member, reason)
    console.print(f"{member.hostname} takes no more jobs.")


@worker.command()
@click.argument("host")
@pass_locked_cluster
def resume(cluster: Cluster, host: str) -> None:
    """Send jobs to HOST again."""
    console.print(f"{workers.resume(cluster.head, host)} takes jobs.")

"""Commands for the accounts."""

from pathlib import Path

import click
from rich.table import Table

from cfiddle_slurm.cluster.commands.common import (
    Cluster,
    Group,
    console,
    existing_file,
    pass_cluster,
    pass_locked_cluster,
)
from cfiddle_slurm.cluster.hosts import machines
from cfiddle_slurm.cluster.people import accounts, quotas, user_node
from cfiddle_slurm.cluster.services import slurm


@click.group(cls=Group)
def user() -> None:
    """Add, remove and list accounts."""


@user.command("add")
@click.argument("name")
@click.option("--uid", type=int, help="Default: the next free uid.")
@pass_locked_cluster
def add_user(cluster: Cluster, name: str, uid: int | None) -> None:
    """Add the account NAME."""
    _add(cluster, {name: uid})


@user.command("import")
@click.argument("file", type=existing_file)
@pass_locked_cluster
def import_users(cluster: Cluster, file: Path) -> None:
    """Add the accounts listed in FILE: CSV with the column name and, if you like, uid."""
    _add(cluster, accounts.read_csv(file))


def _add(cluster: Cluster, wanted: dict[str, int | None]) -> None:
    new = accounts.add(cluster.head, wanted)
    slurm.ensure_users(cluster.head, wanted, cluster.config.queued_jobs)
    user_node.give_examples(cluster.head)
    trouble = quotas.apply(cluster.head, cluster.config, new.values())
    console.print(f"{len(new)} added, {len(wanted) - len(new)} existed already.")
    if trouble:
        console.print(trouble)


@user.command("remove")
@click.argument("name")
@click.option("--purge", is_flag=True, help="Also remove the home directory.")
@pass_locked_cluster
def remove_user(cluster: Cluster, name: str, purge: bool) -> None:
    """Remove the account NAME, its jobs and its processes; its home stays."""
    accounts.remove(machines.all_of(cluster.config), name, purge=purge)
    console.print(f"{name} is removed{', with its home' if purge else ''}.")


@user.command("list")
@click.option("--usage", is_flag=True, help="Also show the size of each home, the largest first.")
@pass_cluster
def list_users(cluster: Cluster, usage: bool) -> None:
    """Show the accounts."""
    table = Table("name", "uid", "home", *(["MiB"] if usage else []))
    listed = accounts.listed(cluster.head)
    used = quotas.usage(cluster.head, cluster.config) if usage else {}
    for account in sorted(listed, key=lambda one: -used.get(one.name, 0)):
        size = f"{used[account.name] / 2**20:.0f}" if account.name in used else "not counted"
        table.add_row(account.name, str(account.uid), account.home, *([size] if usage else []))
    console.print(table)

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
    tell,
)
from cfiddle_slurm.cluster.hosts import machines
from cfiddle_slurm.cluster.people import accounts, class_list, logins, quotas, user_node
from cfiddle_slurm.cluster.people.account_book import AccountError
from cfiddle_slurm.cluster.people.logins import NAME
from cfiddle_slurm.cluster.services import slurm


@click.group(cls=Group)
def user() -> None:
    """Add, remove and list accounts."""


@user.command("add")
@click.argument("name")
@click.option("--uid", type=int, help="Default: the next free uid.")
@pass_locked_cluster
def add_user(cluster: Cluster, name: str, uid: int | None) -> None:
    """Add the account NAME, or the account of the login NAME."""
    if NAME.fullmatch(name):
        _add(cluster, {name: uid}, {})
        return
    account = logins.account_name(name)
    _add(cluster, {account: uid}, {account: name})
    tell(f"{name}'s account is {account}.")


@user.command("import")
@click.argument("file", type=existing_file)
@click.option(
    "--column", help="Heading or number of the column with the logins, if it is not found."
)
@click.option("--skip-bad", is_flag=True,
              help="Add the others although lines are bad; ends with 1 even so.")  # fmt: skip
@pass_locked_cluster
def import_users(cluster: Cluster, file: Path, column: str | None, skip_bad: bool) -> None:
    """Add the accounts of a class list, FILE: a learning platform's export, CSV, or names."""
    found = class_list.read(file, column)
    tell(found.summary)
    found = found.without(accounts.refused(cluster.head, found.wanted, found.logins))
    count = len(found.bad)
    bad = f"{file}: {count} {'lines are' if count > 1 else 'line is'} bad"
    if found.bad and not skip_bad:
        raise AccountError(
            f"{bad}, and no account was added (--skip-bad adds the others):\n{found.complaint}"
        )
    if found.wanted:
        _add(cluster, found.wanted, found.logins)
    if found.bad:
        raise AccountError(f"{bad}; the others are imported:\n{found.complaint}")


def _add(cluster: Cluster, wanted: dict[str, int | None], owners: dict[str, str]) -> None:
    new = accounts.add(cluster.head, wanted, owners)
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
    """Remove the account NAME (or of that login), its jobs and processes; its home stays."""
    name = accounts.named(cluster.head, name)
    accounts.remove(machines.all_of(cluster.config), name, purge=purge)
    console.print(f"{name} is removed{', with its home' if purge else ''}.")


@user.command("list")
@click.option("--usage", is_flag=True, help="Also show the size of each home, the largest first.")
@pass_cluster
def list_users(cluster: Cluster, usage: bool) -> None:
    """Show the accounts."""
    listed = accounts.listed(cluster.head)
    owners = accounts.logins_of(cluster.head)
    other = any(account.name in owners for account in listed)
    columns = ["name", *(["login"] if other else []), "uid", "home", *(["MiB"] if usage else [])]
    table = Table(*columns)
    used = quotas.usage(cluster.head, cluster.config) if usage else {}
    for account in sorted(listed, key=lambda one: -used.get(one.name, 0)):
        size = [f"{used[account.name] / 2**20:.0f}" if account.name in used else "not counted"]
        login = [owners.get(account.name, account.name)] if other else []
        table.add_row(
            account.name, *login, str(account.uid), account.home, *(size if usage else [])
        )
    console.print(table)

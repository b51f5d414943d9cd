"""Commands for the parts of a cluster: images, workers, users, services."""

import time
from dataclasses import replace
from pathlib import Path

import click
from rich.table import Table

from cfiddle_slurm.cluster.changes import upgrade, workers
from cfiddle_slurm.cluster.commands import building, logs
from cfiddle_slurm.cluster.commands.common import (
    Cluster,
    Group,
    console,
    pass_cluster,
    say,
)
from cfiddle_slurm.cluster.hosts import fleet, machines
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.image import images as images_
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.people import accounts, quotas, user_node
from cfiddle_slurm.cluster.services import slurm, stack

_existing = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def images() -> None:
    """Build, distribute and list the container images."""


@images.command()
@click.option("--base", type=click.Choice(["auto", "registry", "debootstrap"]),
              help="Where Debian's image comes from.")  # fmt: skip
@click.option("--ca-bundle", type=_existing,
              help="Certificates for package registries behind a proxy.")  # fmt: skip
@click.option("--mirror", help="Debian mirror for debootstrap.")
@click.option("--verbose", "-v", is_flag=True, help="Show every line that Docker prints.")
@pass_cluster
def build(
    cluster: Cluster, base: str | None, ca_bundle: Path | None, mirror: str | None, verbose: bool
) -> None:
    """Build the images on the head; unchanged parts are not built again.

    A log keeps every line; its path is printed at the end.
    """
    began = time.monotonic()
    given = {"base": base, "ca_bundle": ca_bundle, "mirror": mirror}
    settings = replace(
        images_.BuildSettings.of(cluster.config),
        **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    machines.require([cluster.head])
    building.build(cluster.head, settings, verbose=verbose)
    console.print(f"The images are built ({time.monotonic() - began:.0f} s).")


@images.command()
@pass_cluster
def push(cluster: Cluster) -> None:
    """Copy the images to every machine and check them there."""
    config = cluster.config
    everywhere = machines.all_of(config)
    machines.require([cluster.head])
    others = fleet.Fleet(everywhere[1:], say)
    others.each(machines.require_one)
    reached = [cluster.head, *others.machines]
    others.lose(distribution.push(cluster.head, reached, say, registry=config.registry))
    if swarm.state(cluster.head) == "active":
        in_use = upgrade.images_in_use(upgrade.deployed(cluster.head))
        others.lose(distribution.push_older(cluster.head, others.machines, in_use, say))
    others.finish("The others have the head's images.")
    console.print("Every machine has the head's images.")


@images.command("list")
@pass_cluster
def list_images(cluster: Cluster) -> None:
    """Show which machine has which image."""
    everywhere = machines.all_of(cluster.config)
    found, failed = machines.try_each(everywhere, distribution.digests)
    if cluster.head in failed:
        raise failed[cluster.head]
    right = found[cluster.head]
    table = Table("machine", *(image.name for image in images_.IMAGES))
    for machine, have in found.items():
        cells = []
        for image in images_.IMAGES:
            identity = have.get(image.name, "").removeprefix("sha256:")[:12]
            differs = bool(identity) and have[image.name] != right.get(image.name)
            cells.append(f"[red]{identity} differs[/red]" if differs else identity or "-")
        table.add_row(str(machine), *cells)
    console.print(table)
    if failed:
        raise machines.MachineError("\n".join(map(str, failed.values())))


@click.group(cls=Group)
def worker() -> None:
    """Add, remove, drain and resume workers."""


@worker.command("add")
@click.argument("host")
@pass_cluster
def add_worker(cluster: Cluster, host: str) -> None:
    """Make HOST a worker; it takes jobs within a minute."""
    name = workers.add(cluster.config, cluster.file, host, say)
    console.print(f"{name} takes jobs.")


@worker.command("remove")
@click.argument("host")
@click.option("--timeout", default=900.0, show_default=True, help="Seconds for its present job.")
@pass_cluster
def remove_worker(cluster: Cluster, host: str, timeout: float) -> None:
    """Make HOST no worker any more, once its present job has ended."""
    workers.remove(cluster.config, cluster.file, host, timeout, say)
    console.print(f"{host} is no worker any more.")


@worker.command()
@click.argument("host")
@click.option("--reason", help="Why; `status` shows it.")
@pass_cluster
def drain(cluster: Cluster, host: str, reason: str | None) -> None:
    """Stop sending jobs to HOST; its current job continues."""
    member = workers.find(cluster.head, host)
    workers.drain(cluster.head, member, reason)
    console.print(f"{member.hostname} takes no more jobs.")


@worker.command()
@click.argument("host")
@pass_cluster
def resume(cluster: Cluster, host: str) -> None:
    """Send jobs to HOST again."""
    console.print(f"{workers.resume(cluster.head, host)} takes jobs.")


@click.group(cls=Group)
def user() -> None:
    """Add, remove and list accounts."""


@user.command("add")
@click.argument("name")
@click.option("--uid", type=int, help="Else the next that is free.")
@pass_cluster
def add_user(cluster: Cluster, name: str, uid: int | None) -> None:
    """Add the account NAME."""
    _add(cluster, {name: uid})


@user.command("import")
@click.argument("file", type=_existing)
@pass_cluster
def import_users(cluster: Cluster, file: Path) -> None:
    """Add the accounts in a CSV FILE with the columns name and, if you like, uid."""
    _add(cluster, accounts.read_csv(file))


def _add(cluster: Cluster, wanted: dict[str, int | None]) -> None:
    new = accounts.add(cluster.head, wanted)
    slurm.ensure_users(cluster.head, wanted, cluster.config.queued_jobs)
    user_node.give_examples(cluster.head)
    trouble = quotas.apply(cluster.head, cluster.config, new.values())
    console.print(f"{len(new)} added, {len(wanted) - len(new)} were there already.")
    if trouble:
        console.print(trouble)


@user.command("remove")
@click.argument("name")
@click.option("--purge", is_flag=True, help="Also remove the home directory.")
@pass_cluster
def remove_user(cluster: Cluster, name: str, purge: bool) -> None:
    """Remove the account NAME and end all that runs of it; its home is kept."""
    accounts.remove(machines.all_of(cluster.config), name, purge=purge)
    console.print(f"{name} is removed{', with its home' if purge else ''}.")


@user.command("list")
@click.option("--usage", is_flag=True, help="Also what each home holds, the fullest first.")
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


@click.command()
@click.argument("service")
@click.argument("host", required=False)
@pass_cluster
def shell(cluster: Cluster, service: str, host: str | None) -> None:
    """Open a root shell in SERVICE's container.

    That is its container on the worker HOST, or on the head if HOST is not given.
    """
    logs.known_service(cluster, service)
    machine = cluster.head
    if host is not None:
        member = workers.find(cluster.head, host)
        machine = swarm.machine_of(member, cluster.config.ssh_user)
    container = stack.container_on(machine, service)
    user_node.become(machine.docker_arguments("exec", "--interactive", "--tty", container, "bash"))


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("user")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_cluster
def run(cluster: Cluster, user: str, command: tuple[str, ...]) -> None:
    """Run a command on the user node as USER, in USER's home."""
    user_node.replace_by(cluster.head, user, command)


@click.command()
@click.argument("user")
@click.argument("file", type=_existing)
@click.argument("name")
@pass_cluster
def copy(cluster: Cluster, user: str, file: Path, name: str) -> None:
    """Copy FILE to NAME below USER's home on the user node."""
    user_node.copy_to_home(cluster.head, user, name, file.read_bytes())


COMMANDS: tuple[click.Command, ...] = (images, worker, user, logs.logs, shell, run, copy)

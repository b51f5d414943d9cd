"""Commands for the container images."""

import time
from dataclasses import replace
from pathlib import Path

import click
from rich.table import Table

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.commands import building
from cfiddle_slurm.cluster.commands.common import (
    Cluster,
    Group,
    console,
    existing_file,
    pass_cluster,
    pass_locked_cluster,
    say,
)
from cfiddle_slurm.cluster.hosts import fleet, machines
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.image.images import IMAGES, BuildSettings
from cfiddle_slurm.cluster.members import swarm


@click.group(cls=Group)
def images() -> None:
    """Build, distribute and list the container images."""


@images.command()
@click.option("--base", type=click.Choice(["auto", "registry", "debootstrap"]),
              help="Where Debian's image comes from.")  # fmt: skip
@click.option("--ca-bundle", type=existing_file,
              help="Certificates for package registries behind a proxy.")  # fmt: skip
@click.option("--mirror", help="Debian mirror for debootstrap.")
@click.option("--verbose", "-v", is_flag=True, help="Show every line that Docker prints.")
@pass_locked_cluster
def build(
    cluster: Cluster, base: str | None, ca_bundle: Path | None, mirror: str | None, verbose: bool
) -> None:
    """Build the images on the head; unchanged parts are not built again.

    A log keeps every line; its path is printed at the end.
    """
    began = time.monotonic()
    given = {"base": base, "ca_bundle": ca_bundle, "mirror": mirror}
    settings = replace(
        BuildSettings.of(cluster.config),
        **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    machines.require(cluster.head)
    building.build(cluster.head, settings, verbose=verbose)
    console.print(f"The images are built ({time.monotonic() - began:.0f} s).")


@images.command()
@pass_locked_cluster
def push(cluster: Cluster) -> None:
    """Copy the images to every machine and check them there."""
    config = cluster.config
    everywhere = machines.all_of(config)
    machines.require(cluster.head)
    others = fleet.Fleet(everywhere[1:], say)
    others.each(machines.require)
    others.lose(distribution.push(cluster.head, [cluster.head, *others.machines], say,
                                  registry=config.registry))  # fmt: skip
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
    table = Table("machine", *(image.name for image in IMAGES))
    for machine, have in found.items():
        cells = []
        for image in IMAGES:
            identity = have.get(image.name, "").removeprefix("sha256:")[:12]
            differs = bool(identity) and have[image.name] != right.get(image.name)
            cells.append(f"[red]{identity} differs[/red]" if differs else identity or "-")
        table.add_row(str(machine), *cells)
    console.print(table)
    if failed:
        raise machines.MachineError("\n".join(map(str, failed.values())))

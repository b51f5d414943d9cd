"""``python -m cfiddle_slurm.cluster``: build, start, look at and stop the cluster."""

import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cfiddle_slurm import process
from cfiddle_slurm.cluster import (
    accounts,
    credentials,
    images,
    kit,
    machines,
    stack,
    user_node,
)

_ERRORS = (accounts.AccountError, kit.KitError, process.ProcessError, stack.NotHealthy, ValueError)
console = Console(highlight=False)


class _Group(click.Group):
    """Turns expected errors into one message and exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except _ERRORS as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def main() -> None:
    """Stand up the cluster behind cfiddle_slurm."""


def _say(text: str) -> None:
    console.print(f"  {text}", markup=False)


_port = click.option("--port", default=8888, show_default=True, help="Jupyter's port.")


@main.command()
@click.option("--local", is_flag=True, required=True, help="All parts on this one machine.")
@click.option("--timeout", default=180.0, show_default=True, help="Seconds to become healthy.")
@_port
def up(local: bool, timeout: float, port: int) -> None:
    """Start the cluster, or bring a running one up to date."""
    began = time.monotonic()
    missing = [image.name for image in images.IMAGES if not images.exists(image.tag)]
    if missing:
        raise click.ClickException(
            f"The image {missing[0]} is not built: "
            "run `python -m cfiddle_slurm.cluster images build`."
        )
    if local:
        machines.make_local_swarm()
    credentials.ensure()
    accounts.ensure(accounts.TEST_ACCOUNTS)
    stack.deploy(port)
    stack.wait_until_healthy(timeout, _say)
    stack.remove_old_tags()
    console.print(f"The cluster is up ({time.monotonic() - began:.0f} s).")


@main.command()
@click.option("--volumes", is_flag=True, help="Also remove all data: homes, accounting, state.")
def down(volumes: bool) -> None:
    """Stop the cluster. Homes, accounting data and Slurm's state are kept."""
    if machines.swarm_state() == "active":
        stack.remove()
        if not machines.leave_local_swarm():
            credentials.remove()
    if volumes:
        stack.remove_volumes()
        console.print("The cluster is down; its data are removed.")
    else:
        console.print(f"The cluster is down; its data are kept in {', '.join(stack.VOLUMES)}.")


@main.command()
def status() -> None:
    """Show the services; exit status 1 when one is not healthy."""
    found = stack.services() if machines.swarm_state() == "active" else []
    if not found:
        raise click.ClickException("The cluster is not up.")
    table = Table("service", "healthy", "wanted")
    for service in found:
        table.add_row(service.name, str(service.healthy), str(service.wanted))
    console.print(table)
    sys.exit(0 if all(service.is_healthy for service in found) else 1)


@main.command()
@_port
def url(port: int) -> None:
    """Print the address at which Jupyter can be opened."""
    print(user_node.jupyter_url(port))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("user")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(user: str, command: tuple[str, ...]) -> None:
    """Run a command on the user node as USER, in USER's home."""
    user_node.replace_by(user, command)


@main.command()
@click.argument("user")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name")
def copy(user: str, file: Path, name: str) -> None:
    """Copy FILE to NAME below USER's home on the user node."""
    user_node.copy_to_home(user, name, file.read_bytes())


@main.group("images")
def images_group() -> None:
    """The images cfiddle-cluster, cfiddle-user and cfiddle-sandbox."""


@images_group.command()
@click.option("--base", type=click.Choice(["auto", "registry", "debootstrap"]), default="auto",
              show_default=True, help="Where Debian's image comes from.")  # fmt: skip
@click.option("--ca-bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Certificates for package registries behind a proxy.")  # fmt: skip
@click.option("--mirror", default=images.DEFAULT_MIRROR, show_default=True, help="Debian mirror.")
def build(base: str, ca_bundle: Path | None, mirror: str) -> None:
    """Build the images; what has not changed is not built again."""
    began = time.monotonic()
    found = images.BuildSettings.of_machine()
    settings = images.BuildSettings(base, ca_bundle or found.ca_bundle, found.pip_index, mirror)
    images.build_all(settings, _say)
    console.print(f"The images are built ({time.monotonic() - began:.0f} s).")


if __name__ == "__main__":
    main()

"""Commands that lead into the cluster: a shell, a command, a file."""

from pathlib import Path

import click

from cfiddle_slurm.cluster.changes import workers
from cfiddle_slurm.cluster.commands import logs
from cfiddle_slurm.cluster.commands.common import Cluster, pass_cluster
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.services import stack

_existing = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("service")
@click.argument("host", required=False)
@pass_cluster
def shell(cluster: Cluster, service: str, host: str | None) -> None:
    """Open a root shell in SERVICE's container.

    HOST is a worker; without HOST the container on the head is meant.
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

"""Commands that lead into the cluster: what a service wrote, a shell, a command, a file."""

import codecs
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import click

from cfiddle_slurm import process
from cfiddle_slurm.cluster.changes import workers
from cfiddle_slurm.cluster.commands.common import INTERRUPTED, Cluster, existing_file, pass_cluster
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.people import accounts, user_node
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.printable import printable

_LONGEST = 64 << 10
_INCOMPLETE = "incomplete log stream"
"""Docker's warning, with an exit status, where a task of the service has never run, for example."""


@click.command()
@click.argument("service")
@click.option("--follow", "-f", is_flag=True, help="Keep printing what SERVICE writes.")
@click.option("--tail", type=click.IntRange(min=0), default=100, show_default=True,
              help="How many of the last lines to show.")  # fmt: skip
@pass_cluster
def logs(cluster: Cluster, service: str, follow: bool, tail: int) -> None:
    """Show what SERVICE has written.

    Control characters appear as text (\\x1b): the log also holds what students wrote.
    """
    _check_service(cluster, service)
    options = ["--raw", f"--tail={tail}", *(["--follow"] if follow else [])]
    command = cluster.head.docker_arguments("service", "logs", *options, f"{stack.NAME}_{service}")
    try:
        sys.exit(show(command))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _check_service(cluster: Cluster, name: str) -> None:
    names = [service.name for service in stack.services(cluster.head)]
    if name not in names:
        known = ", ".join(names) or "none: the cluster is not up"
        raise stack.NotHealthy(f"There is no service {name!r}; the services are {known}.")


def show(command: list[str]) -> int:
    """Print what a program writes as it comes, fit to be shown.

    Returns:
        Its exit status; 0 where all there is was shown, with Docker's warning that it is not all.

    Raises:
        CommandMissing: there is no such program.
    """
    last = ""
    with process.started(command, stderr=subprocess.STDOUT) as child:
        if child.stdout is not None:
            for text in pieces(child.stdout):
                click.echo(printable(text), nl=False)
                last = text.strip() or last
        status = child.wait()
    return 0 if _INCOMPLETE in last else status


def pieces(stream: IO[bytes]) -> Iterator[str]:
    """A stream's lines as text; one that does not end is given in pieces, not kept in memory."""
    lines = iter(lambda: stream.readline(_LONGEST), b"")
    for text in codecs.iterdecode(lines, "utf-8", "replace"):
        yield text.replace("\r\n", "\n")


@click.command()
@click.argument("service")
@click.argument("host", required=False)
@pass_cluster
def shell(cluster: Cluster, service: str, host: str | None) -> None:
    """Open a root shell in SERVICE's container.

    HOST is a worker; without HOST the container on the head is meant.
    """
    _check_service(cluster, service)
    machine = cluster.head
    if host is not None:
        member = workers.find(cluster.head, host)
        machine = swarm.machine_of(member, cluster.config.ssh_user)
    container = stack.container_on(machine, service)
    _become(machine.docker_arguments("exec", "--interactive", "--tty", container, "bash"))


def _become(arguments: list[str]) -> NoReturn:
    """Let a program take this one's place."""
    os.execvp(arguments[0], arguments)  # noqa: S606 - no shell is wanted


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("user")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_cluster
def run(cluster: Cluster, user: str, command: tuple[str, ...]) -> None:
    """Run a command on the user node as USER, an account or its login, in USER's home."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    name = accounts.named(cluster.head, user)
    _become(user_node.exec_arguments(cluster.head, name, command, terminal=terminal))


@click.command()
@click.argument("user")
@click.argument("file", type=existing_file)
@click.argument("name")
@pass_cluster
def copy(cluster: Cluster, user: str, file: Path, name: str) -> None:
    """Copy FILE to NAME below USER's home on the user node; USER may be the login, too."""
    account = accounts.named(cluster.head, user)
    user_node.copy_to_home(cluster.head, account, name, file.read_bytes())

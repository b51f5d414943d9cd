"""``logs``: what a service wrote, of which students' words are a part."""

import codecs
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import click

from cfiddle_slurm import process
from cfiddle_slurm.cluster.commands.common import Cluster, pass_cluster
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.printable import printable

_LONGEST = 64 << 10
_INCOMPLETE = "incomplete log stream"
"""Docker's warning, with an exit status, where a task of the service has never run, for example."""
_INTERRUPTED = 130  # as shells have it: 128 and the signal's number


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
    known_service(cluster, service)
    options = ["--raw", f"--tail={tail}", *(["--follow"] if follow else [])]
    command = cluster.head.docker_arguments("service", "logs", *options, f"{stack.NAME}_{service}")
    try:
        sys.exit(show(command))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def known_service(cluster: Cluster, name: str) -> None:
    """Make sure that there is such a service.

    Raises:
        NotHealthy: there is none.
    """
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
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while raw := stream.readline(_LONGEST):
        yield decoder.decode(raw).replace("\r\n", "\n")
    yield decoder.decode(b"", final=True)

"""The program ``cfiddle-cluster`` as a whole: its commands and what is common to their lines."""

import io
import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from cfiddle_slurm._version import __version__
from cfiddle_slurm.cluster.commands import images, inside, lifecycle, user, worker
from cfiddle_slurm.cluster.commands.common import Cluster, Group
from cfiddle_slurm.cluster.site import config

_PROGRAM = "cfiddle-cluster"
_COMPLETE = "_CFIDDLE_CLUSTER_COMPLETE"
"""Through which a shell asks the program; click makes its name of the program's."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "file", type=click.Path(path_type=Path), default=config.FILE,
              show_default=True, help="The file that describes the cluster.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535),
              help="JupyterLab's port, for a cluster of this machine alone.")  # fmt: skip
@click.version_option(__version__, prog_name=_PROGRAM)
@click.pass_context
def main(context: click.Context, file: Path, port: int | None) -> None:
    """Set up, watch, change and remove the cluster that runs CFiddle experiments."""
    # What is printed reaches a pipe line by line, in order with what goes to standard error; what
    # the encoding of a terminal has no letter for is written out.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    context.obj = Cluster(file, port)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for completing commands with TAB.

    For bash, put this line into ~/.bashrc:

        eval "$(cfiddle-cluster completion bash)"
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"This version of click has no completion for {shell}.")
    click.echo(found(context.find_root().command, {}, _PROGRAM, _COMPLETE).source())


COMMANDS: tuple[click.Command, ...] = (
    *lifecycle.COMMANDS,
    *(images.images, worker.worker, user.user),
    *(inside.logs, inside.shell, inside.run, inside.copy),
    completion,
)
for command in COMMANDS:
    main.add_command(command)

"""The program ``cfiddle-cluster`` as a whole: its commands and what is common to their lines."""

import io
import sys
from pathlib import Path

import click

from cfiddle_slurm._version import __version__
from cfiddle_slurm.cluster.commands import (
    completion,
    images,
    inside,
    lifecycle,
    logs,
    user,
    worker,
)
from cfiddle_slurm.cluster.commands.common import Cluster, Group, hold_the_lock
from cfiddle_slurm.cluster.hosts import lock
from cfiddle_slurm.cluster.site import config


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "file", type=click.Path(path_type=Path), default=config.FILE,
              show_default=True, help="The file that describes the cluster.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535),
              help="JupyterLab's port, for a cluster of this machine alone.")  # fmt: skip
@click.version_option(__version__, prog_name=completion.PROGRAM)
@click.pass_context
def main(context: click.Context, file: Path, port: int | None) -> None:
    """Set up, watch, change and remove the cluster that runs CFiddle experiments."""
    # What is printed reaches a pipe line by line, in order with what goes to standard error; what
    # the encoding of a terminal has no letter for is written out.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    context.obj = Cluster(file, port)


COMMANDS: tuple[click.Command, ...] = (
    *lifecycle.COMMANDS,
    *(images.images, worker.worker, user.user),
    *(logs.logs, inside.shell, inside.run, inside.copy),
    completion.completion,
)
for command in COMMANDS:
    main.add_command(command)
hold_the_lock(main, lock.COMMANDS)

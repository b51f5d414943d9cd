"""``python -m cfiddle_slurm.cluster``: stand the cluster up, look after it, take it down."""

from pathlib import Path

import click

from cfiddle_slurm.cluster import config, lock
from cfiddle_slurm.cluster.commands import lifecycle, nouns
from cfiddle_slurm.cluster.commands.common import Cluster, Group, hold_the_lock


@click.group(cls=Group)
@click.option("--config", "file", type=click.Path(path_type=Path), default=config.FILE,
              show_default=True, help="The cluster's file.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535),
              help="Jupyter's port in a cluster of this machine.")  # fmt: skip
@click.pass_context
def main(context: click.Context, file: Path, port: int | None) -> None:
    """Stand up the cluster behind cfiddle_slurm."""
    context.obj = Cluster(file, port)


for command in (*lifecycle.COMMANDS, *nouns.COMMANDS):
    main.add_command(command)
hold_the_lock(main, lock.COMMANDS)

if __name__ == "__main__":
    main()

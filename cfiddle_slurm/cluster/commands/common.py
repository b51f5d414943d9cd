"""What all commands share: the cluster's file, how they speak, and how errors are told."""

import difflib
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cfiddle_slurm.cluster.hosts import lock, machines
from cfiddle_slurm.cluster.site.config import FILE, Config, ConfigError, load
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.printable import printable
from cfiddle_slurm.process import ProcessError

_PIPE_WIDTH = 200
INTERRUPTED = 130  # as shells have it: 128 and the signal's number
existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)


class PrintableConsole(Console):
    """A console on which no text is obeyed, wherever it comes from: see :mod:`.printable`.

    In a pipe or a file its lines are long, so that a row of a table stays one line.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.is_terminal and self._width is None:
            self._width = _PIPE_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        # Before it is laid out: a table's columns fit what is written out.
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


console = PrintableConsole(highlight=False, emoji=False)


class Group(click.Group):
    """Turns expected errors into one message and exit status 1; knows what a typing error meant."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ClusterError, ProcessError) as error:
            words = str(error)
            # Docker advises to make or join one, which would be another than `up` makes.
            if "This node is not a swarm manager" in words:
                words = "The cluster is not up: `up` starts it."
            raise click.ClickException(printable(words)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The commands are {', '.join(known)}."
            ctx.fail(printable(f"There is no command {name!r}. {hint}"))
        return super().resolve_command(ctx, args)


class Cluster:
    """The cluster that the commands are about, read when a command first needs it."""

    def __init__(self, file: Path, port: int | None) -> None:
        self.file = file
        self._port = port

    @functools.cached_property
    def config(self) -> Config:
        """What its file says; without a file in the usual place, a cluster of this machine."""
        if self.file == FILE and not self.file.exists():
            return self.local()
        if self._port is not None:
            raise ConfigError(f"Set jupyter_port in {self.file} instead of --port.")
        return load(self.file)

    def local(self) -> Config:
        """A cluster of this one machine."""
        return Config(jupyter_port=self._port) if self._port else Config()

    @property
    def head(self) -> machines.Machine:
        """Its head."""
        return machines.head_of(self.config)


pass_cluster = click.make_pass_decorator(Cluster)


def pass_locked_cluster(command: Callable[..., object]) -> Callable[..., object]:
    """As :data:`pass_cluster`, for a command during which nobody else changes the cluster."""

    @pass_cluster
    @functools.wraps(command)
    def locked(cluster: Cluster, /, **options: object) -> object:
        if options.get("dry_run"):
            return command(cluster, **options)
        context = click.get_current_context()
        name = context.command_path.removeprefix(context.find_root().command_path).strip()
        head = machines.Machine() if options.get("local") else cluster.head
        with lock.held(head, name):
            return command(cluster, **options)

    return locked


health_timeout = click.option("--timeout", default=180.0, show_default=True,
                        help="Seconds to wait until all services are healthy.")  # fmt: skip


def tell(text: str) -> None:
    """A sentence about what a command has done; a terminal breaks its lines, nothing else does."""
    console.print(text, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """One line about a step that was done."""
    tell(f"  {text}")

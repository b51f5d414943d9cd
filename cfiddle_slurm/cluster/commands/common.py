"""What all commands share: the cluster's file, how they speak, and how errors are told."""

import difflib
import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cfiddle_slurm.cluster.hosts import lock, machines
from cfiddle_slurm.cluster.site.config import FILE, Config, ConfigError, load
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.printable import printable
from cfiddle_slurm.process import ProcessError

_PIPE_WIDTH = 200
_NO_SWARM = "This node is not a swarm manager"


class PrintableConsole(Console):
    """A console on which no text is obeyed, wherever it comes from: see :mod:`.printable`.

    In a pipe or a file its lines are long, so that a row of a table stays one line.
    """

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        if self.is_terminal or "COLUMNS" in os.environ:
            return found
        return ConsoleDimensions(_PIPE_WIDTH, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

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
            raise click.ClickException(printable(in_plain_words(str(error)))) from error

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


def in_plain_words(error: str) -> str:
    """An error as an administrator can use it.

    Without a swarm Docker advises to make or join one, which would be another than `up` makes.
    """
    if _NO_SWARM in error:
        return "The cluster is not up: `up` starts it."
    return error


class Cluster:
    """The cluster that the commands are about, read when a command first needs it."""

    def __init__(self, file: Path, port: int | None) -> None:
        self.file = file
        self._port = port
        self._config: Config | None = None

    @property
    def config(self) -> Config:
        """What its file says; without a file in the usual place, a cluster of this machine."""
        if self._config is None:
            self._config = self._read()
        return self._config

    def _read(self) -> Config:
        if self.file == FILE and not self.file.exists():
            return self.local()
        if self._port is not None:
            raise ConfigError(f"Set jupyter_port in {self.file} instead of --port.")
        return load(self.file)

    def local(self) -> Config:
        """A cluster of this one machine."""
        return Config(jupyter_port=self._port) if self._port else Config()

    def use_local(self) -> None:
        """From now on it is a cluster of this one machine."""
        self._config = self.local()

    @property
    def head(self) -> machines.Machine:
        """Its head."""
        return machines.head_of(self.config)


def hold_the_lock(group: click.Group, names: Iterable[str]) -> None:
    """Have commands do their work only while nobody else changes the cluster.

    Args:
        names: each with those of the groups that it is in.
    """
    for name in names:
        command: click.Command = group
        for word in name.split():
            if not isinstance(command, click.Group):
                raise TypeError(f"{name!r} is in no group")
            command = command.commands[word]
        command.callback = _locked(name, command.callback)


def _locked(name: str, callback: Callable[..., object] | None) -> Callable[..., object]:
    if callback is None:
        raise TypeError(f"{name!r} does nothing")

    @functools.wraps(callback)
    def locked(*arguments: object, **options: object) -> object:
        cluster = click.get_current_context().find_object(Cluster)
        if cluster is None:
            raise TypeError(f"{name!r} is about no cluster")
        if options.get("dry_run"):
            return callback(*arguments, **options)
        head = machines.Machine() if options.get("local") else cluster.head
        with lock.held(head, name):
            return callback(*arguments, **options)

    return locked


pass_cluster = click.make_pass_decorator(Cluster)
health_timeout = click.option("--timeout", default=180.0, show_default=True,
                        help="Seconds to wait until all services are healthy.")  # fmt: skip


def tell(text: str) -> None:
    """A sentence about what a command has done; a terminal breaks its lines, nothing else does."""
    console.print(text, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """One line about a step that was done."""
    tell(f"  {text}")

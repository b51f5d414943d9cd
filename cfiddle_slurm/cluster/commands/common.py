"""What all commands share: the cluster's file, how they speak, and how errors are told."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from rich.console import Console

from cfiddle_slurm import process
from cfiddle_slurm.cluster import accounts, kit, lock, machines, stack
from cfiddle_slurm.cluster import config as config_

ERRORS = (
    accounts.AccountError,
    config_.ConfigError,
    kit.KitError,
    machines.MachineError,
    process.ProcessError,
    stack.NotHealthy,
)
console = Console(highlight=False)


class Group(click.Group):
    """Turns expected errors into one message and exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ERRORS as error:
            raise click.ClickException(str(error)) from error


class Cluster:
    """The cluster that the commands are about, read when a command first needs it."""

    def __init__(self, file: Path, port: int | None) -> None:
        self.file = file
        self._port = port
        self._config: config_.Config | None = None

    @property
    def config(self) -> config_.Config:
        """What its file says; without a file in the usual place, a cluster of this machine."""
        if self._config is None:
            self._config = self._read()
        return self._config

    def _read(self) -> config_.Config:
        if self.file == config_.FILE and not self.file.exists():
            return self.local()
        return config_.load(self.file)

    def local(self) -> config_.Config:
        """A cluster of this one machine."""
        return config_.Config(jupyter_port=self._port) if self._port else config_.Config()

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
        head = machines.Machine() if options.get("local") else cluster.head
        with lock.held(head, name):
            return callback(*arguments, **options)

    return locked


pass_cluster = click.make_pass_decorator(Cluster)


def say(text: str) -> None:
    """One line about a step that was done."""
    console.print(f"  {text}", markup=False)

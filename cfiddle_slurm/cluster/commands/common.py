"""What all commands share: the cluster's file, how they speak, and how errors are told."""

from pathlib import Path

import click
from rich.console import Console

from cfiddle_slurm import process
from cfiddle_slurm.cluster import accounts, kit, machines, stack
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


pass_cluster = click.make_pass_decorator(Cluster)


def say(text: str) -> None:
    """One line about a step that was done."""
    console.print(f"  {text}", markup=False)

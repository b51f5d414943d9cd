"""How Slurm's commands are called: their environment, their time limit, who is not there."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.process import CommandMissing, CommandTimeout, Completed

COMMAND_SECONDS = 10.0
"""Slurm's own MessageTimeout is 10 s; a command that takes longer is repeating itself."""
_STEERING = ("SBATCH_", "SACCT_", "SALLOC_", "SCANCEL_", "SLURM_", "SQUEUE_", "SRUN_")
_DISTRUST = ("authentication", "credential")
"""munge refuses messages of another time, and Slurm those that munge refuses."""
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which Slurm's commands speak English and obey their arguments only.

    Their variables act like options (sbatch(1), "INPUT ENVIRONMENT VARIABLES"); a notebook that was
    itself started by Slurm is full of them.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or not name.startswith(_STEERING)
    }
    return kept | {"LC_ALL": "C"}


def call(
    arguments: Sequence[str], *, timeout: float = COMMAND_SECONDS, cwd: Path | None = None
) -> Completed:
    """Run one of Slurm's commands, whatever its exit status.

    Raises:
        SchedulerUnavailable: it is not installed here.
        CommandTimeout: it gave no answer in time.
    """
    try:
        return process.run(arguments, timeout=timeout, env=command_environment(os.environ), cwd=cwd)
    except CommandMissing as error:
        raise missing(arguments[0], error) from error


def ask(arguments: Sequence[str], *, timeout: float = COMMAND_SECONDS) -> Completed:
    """As :func:`call`, for a question, which may be left unanswered.

    Raises:
        SchedulerUnavailable: it is not installed here, or gave no answer in time.
    """
    try:
        return call(arguments, timeout=timeout)
    except CommandTimeout as error:
        raise unavailable(str(error), error) from error


def missing(command: str, cause: BaseException) -> SchedulerUnavailable:
    """The error for a machine without Slurm."""
    return SchedulerUnavailable(
        f"Slurm's command {command} is not installed here.",
        hint="Use this notebook on a cluster's user node, or configure(scheduler='local').",
        cause=cause,
    )


def unavailable(words: str, cause: BaseException | str | None = None) -> SchedulerUnavailable:
    """The error for a Slurm that does not answer; ``words`` are its last ones."""
    hint = "Try again in a minute; if that does not help, tell whoever runs the cluster."
    if any(sign in words.lower() for sign in _DISTRUST):
        hint = "Tell whoever runs the cluster that this machine's clock may be wrong."
    return SchedulerUnavailable(
        f"Slurm does not answer: {words.rstrip('.')}.", hint=hint, cause=cause
    )

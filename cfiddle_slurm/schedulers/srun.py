"""The srun of a run, which stays until its job ends."""

import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.process import CommandMissing
from cfiddle_slurm.schedulers import slurm_commands


def start(arguments: Sequence[str], folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Start srun in a job directory; what it says goes into a file there.

    Raises:
        SchedulerUnavailable: it is not installed here.
    """
    environment = slurm_commands.command_environment(os.environ)
    with log.open("wb") as stream:
        try:
            child = process.start(
                arguments, stdout=stream, stderr=stream, env=environment, cwd=folder
            )
        except CommandMissing as error:
            raise slurm_commands.missing(arguments[0], error) from error
    # It is waited for, so that it does not stay in the process table when it has ended.
    threading.Thread(target=child.wait, name="cfiddle-srun", daemon=True).start()
    return child

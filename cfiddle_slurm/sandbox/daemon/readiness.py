"""Whether this machine could execute a run now: sandboxd's word for it, in a file for Slurm's side.

sandboxd knows what is wrong with a machine and may not talk to Slurm; the worker beside it may, and
reads the file: see withdrawal.py.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm.printable import one_line
from cfiddle_slurm.sandbox.daemon.container_config import Place, create_arguments
from cfiddle_slurm.sandbox.daemon.engine import Engine, EngineError
from cfiddle_slurm.sandbox.policy import MIB, Policy, merge
from cfiddle_slurm.sandbox.protocol import READY

LEAST_INODES = 1000
TRIAL_SECONDS = 0.5
"""So long must a sandbox live that is started to see whether one can be."""
_LONGEST = 200


class Readiness:
    """The file, which is in a directory of sandboxd's own, and what was last said in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.cause: str | None = None
        """Why no run could be executed, or None."""
        self.doubtful = False
        """Whether a run has failed since a sandbox was last seen to start."""

    def say(self, cause: str | None) -> None:
        """Write down how it is now, also when nothing has changed: an old word counts no more.

        A file that cannot be written says that by its age.
        """
        self.cause = one_line(cause)[:_LONGEST] if cause is not None else None
        temporary = self._file.with_name(f".{self._file.name}")
        with suppress(OSError):
            temporary.write_text(f"{self.cause or READY}\n")
            temporary.rename(self._file)

    def fail(self, cause: str) -> None:
        """A run could not be executed, and it was this machine's fault."""
        self.doubtful = True
        self.say(cause)

    def end(self) -> None:
        """sandboxd ends in good order: from now on nobody knows."""
        self._file.unlink(missing_ok=True)

    def disk_trouble(self, least: int) -> str | None:
        """What is wrong with the disk of Docker's data, on which the file lies, too."""
        room = os.statvfs(self._file.parent)
        inodes = room.f_favail if room.f_files else LEAST_INODES
        return disk_trouble(room.f_bavail * room.f_frsize, inodes, least)


def disk_trouble(free: int, inodes: int, least: int) -> str | None:
    """What is wrong with a disk that has so many bytes and inodes left."""
    if free < least:
        return f"Docker's disk is full ({free // MIB} MiB free, {least // MIB} needed)"
    if inodes < LEAST_INODES:
        return f"Docker's disk is full ({inodes} inodes free, {LEAST_INODES} needed)"
    return None


def try_sandbox(engine: Engine, policy: Policy, place: Place) -> None:
    """See whether a sandbox starts, and waits for its inputs.

    Raises:
        EngineError: it does not.
    """
    arguments = create_arguments(
        policy, merge(policy, {}), place, "trial", "0", engine.address.instance
    )
    container = engine.create(arguments, "trial")
    try:
        container.start()
        time.sleep(TRIAL_SECONDS)
        state = container.state()
    finally:
        container.remove()
    if state is None or not state.running:
        status = state.exit_code if state is not None else "?"
        raise EngineError(f"A sandbox ends as soon as it is started (exit status {status})")

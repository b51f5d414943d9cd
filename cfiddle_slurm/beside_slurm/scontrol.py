"""scontrol on a worker, also while Docker hangs, which is the name server of all containers."""

import os
import re
import socket
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.process import CommandTimeout, Completed

CONTROLLER = "controller"
FETCHED = Path("/var/lib/slurm/slurmd/conf-cache/slurm.conf")
"""What slurmd got from the controller."""
NOTED = Path("/run/cfiddle-scontrol/slurm.conf")
"""The same with the controller's address in it."""
_SECONDS = 6.0
_SECONDS_NOTED = 12.0
_HOST = re.compile(r"^SlurmctldHost=.*$", re.MULTILINE)


def scontrol(*words: str, noted: Path = NOTED) -> Completed:
    """Run scontrol, whatever its exit status; once more by the controller's address, if need be.

    Raises:
        ProcessError: it gave no answer.
    """
    arguments = ["scontrol", *words]
    try:
        done = process.run(arguments, timeout=_SECONDS)
        if done.status == 0 or "configuration source" not in done.stderr or not noted.exists():
            return done
    except CommandTimeout:
        if not noted.exists():
            raise
    environment = {**os.environ, "SLURM_CONF": str(noted)}
    return process.run(arguments, timeout=_SECONDS_NOTED, env=environment)


def note_address(fetched: Path = FETCHED, noted: Path = NOTED) -> None:
    """Note where the controller is; to be called while all is well.

    What cannot be noted is not needed: the address that was noted before may still be right.
    """
    try:
        found = fetched.read_text()
        # Whoever reads this has to ask nobody for the address (slurm.conf(5)).
        host = f"SlurmctldHost={CONTROLLER}({socket.gethostbyname(CONTROLLER)})"
        text = _HOST.sub(host, found)
        if noted.exists() and noted.read_text() == text:
            return
        noted.parent.mkdir(mode=0o755, exist_ok=True)
        temporary = noted.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(noted)
    except OSError:
        return

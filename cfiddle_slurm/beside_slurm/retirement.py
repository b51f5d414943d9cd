"""A worker that is stopped in good order, for a new version, say: it finishes its present job.

Root's, before slurmd is stopped: ``python3 -I -m cfiddle_slurm.beside_slurm.retirement SECONDS``,
which is how long the job may take. The worker takes no more jobs from then on. The one that follows
it comes back by itself; what a person took out of service stays so, with the person's reason.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.sandbox.protocol import JOBS_DIRECTORY
from cfiddle_slurm.slurm_states import BEING_REPLACED

WITHDRAW = ("python3", "-I", "-m", "cfiddle_slurm.beside_slurm.withdrawal", "withdraw",
            BEING_REPLACED)  # fmt: skip
ANSWER_SECONDS = 5.0
"""A controller that says nothing for so long does not answer."""
POLL_SECONDS = 0.5


def retire(seconds: float, jobs: Path = Path(JOBS_DIRECTORY)) -> None:
    """Take no more jobs, and wait for the end of the present one.

    Where the controller does not answer either, everything is being stopped, and nothing is waited
    for.
    """
    if not _succeeds(*WITHDRAW):
        return
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and has_job(jobs):
        time.sleep(POLL_SECONDS)
        if not _succeeds("scontrol", "ping"):
            return


def has_job(jobs: Path) -> bool:
    """Whether a job is here.

    A registration alone may be left of one that the controller has lost; and one that is just being
    started has no process yet.
    """
    for _ in range(2):
        if all(job.name.startswith(".") for job in jobs.iterdir()):
            return False
        if _succeeds("pgrep", "-x", "slurmstepd"):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _succeeds(*command: str) -> bool:
    """Whether a program says yes, and in time."""
    try:
        return process.run(command, timeout=ANSWER_SECONDS).status == 0
    except ProcessError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 the worker may be stopped, 2 wrong usage."""
    match list(sys.argv[1:] if arguments is None else arguments):
        case [seconds] if seconds.isdecimal():
            retire(float(seconds))
        case _:
            print("usage: SECONDS", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""In the student's own allocation: leaves a process behind and ends."""

import os
import signal
import sys
import time
from collections.abc import Sequence

from tests.attacks.caller import ask, connect, hello


def main() -> None:
    """Fork twice; the grandchild belongs to nobody."""
    diary, job = sys.argv[1], os.environ["SLURM_JOB_ID"]
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCONT):
        signal.signal(number, signal.SIG_IGN)
    held = [connect() for _ in range(3)]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            go_on(diary, job, held)
        os._exit(0)
    time.sleep(0.5)


def go_on(diary: str, job: str, held: Sequence[object]) -> None:
    """Write down what is possible, while there is time."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    with open(diary, "w", buffering=1) as stream:
        stream.write(f"here {len(held)}\n")
        while os.path.exists(f"/run/cfiddle-slurm/jobs/{job}"):
            time.sleep(0.01)
        stream.write("the job is over\n")
        for _ in range(20):
            said = ask(hello(job))
            stream.write(f"{'DID' if said != 'refused' else 'tried'}: a run, {said}\n")
            time.sleep(0.2)
        stream.write("DID: live on\n")


if __name__ == "__main__":
    main()

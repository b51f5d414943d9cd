"""A warm process that forks the experiment's processes, where a run has many.

Each set of run options gets a process of its own. Starting Python and loading CFiddle takes tens of
milliseconds each time; a fork takes one or two. The experiment's code is never loaded here, so each
process begins with it as a fresh one does.
"""

from __future__ import annotations

import ctypes
import json
import os
from contextlib import suppress

from cfiddle_slurm.sandbox.guest.experiment import main
from cfiddle_slurm.sandbox.guest.lean import enter_cfiddle

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _SIGKILL = 1, 4, 9


def serve(how: str) -> None:
    """Fork a process for each order, and say how it ended, until there are no more.

    Args:
        how: three words of JSON: a descriptor with a line for each order,
            ``{"plan": FILE, "environment": {...}}``; one for their wait statuses, a line each
            (waitpid(2)); and what :func:`~cfiddle_slurm.sandbox.guest.lean.enter_cfiddle` is told.
    """
    orders, answers, full = json.loads(how)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    # The experiment has the same uid; what cannot be dumped it can neither trace nor look into.
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # What is wrong here is wrong there, too, where it is told.
    with suppress(Exception):
        enter_cfiddle(full=full)
        import cfiddle.config
        import cfiddle.Invoker
        import cfiddle.Runner  # noqa: F401 - loaded once for all

    with open(orders, "rb") as incoming, open(answers, "wb", buffering=0) as outgoing:
        for line in incoming:
            order = json.loads(line)
            child = os.fork()
            if child == 0:
                incoming.close()
                outgoing.close()
                os.setsid()
                libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
                os.environ.clear()
                os.environ.update(order["environment"])
                main(order["plan"])
                return
            _, status = os.waitpid(child, 0)
            outgoing.write(b"%d\n" % status)

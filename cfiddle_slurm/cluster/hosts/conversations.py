"""Conversations with machines: few with each at once, and begun again where one could not begin."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts import reach
from cfiddle_slurm.process import Completed

_THREADS = 16
MOST_AT_ONCE = 8
"""With one machine: sshd takes ten sessions over one connection, and drops connections when ten
begin at once (sshd_config(5), MaxSessions and MaxStartups)."""
_PAUSES = (0.5, 1.0, 2.0)
"""Before a command that found no way is tried again, in seconds."""


def pool() -> ThreadPoolExecutor:
    """Threads that talk to many machines, or to one about many things, at once."""
    return ThreadPoolExecutor(_THREADS)


class _Gates:
    """How many more conversations may be held with each machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, threading.BoundedSemaphore] = {}

    def of(self, address: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._gates.setdefault(address, threading.BoundedSemaphore(MOST_AT_ONCE))


_GATES = _Gates()


@contextmanager
def held_with(address: str) -> Iterator[None]:
    """The time of a conversation; who would be one too many waits.

    Args:
        address: the machine's; empty for this machine, which has no sshd in between.
    """
    if not address:
        yield
        return
    with _GATES.of(address):
        yield


def run(
    command: Sequence[str],
    address: str,
    what: str,
    *,
    timeout: float,
    input: bytes | None = None,  # noqa: A002 - as in subprocess
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a command that talks to a machine; again, where it could not even begin.

    Args:
        address: as for :func:`held_with`.
        what: what it does, for errors.

    Raises:
        ProcessError: there is no such command here, or it took too long.
    """
    for pause in (*_PAUSES, None):
        with held_with(address):
            try:
                done = process.run(command, timeout=timeout, input=input, env=env)
            except process.CommandTimeout as error:
                raise process.CommandTimeout(
                    f"`{what}` on {address or 'this machine'} did not end within {timeout:g}"
                    " seconds.",
                    error.stderr,
                ) from error
        if done.status == 0 or pause is None or not reach.is_worth_another_try(done.stderr):
            break
        time.sleep(pause)
    return done

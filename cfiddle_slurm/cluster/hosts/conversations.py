"""Conversations with machines: few with each at once, begun again where one could not begin.

And what stands in the way of one, from what ssh and Docker say.
"""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from cfiddle_slurm import process
from cfiddle_slurm.cluster.site.config import LOCAL
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import Completed

_THREADS = 16
MOST_AT_ONCE = 8
"""With one machine: sshd takes ten sessions over one connection, and drops connections when ten
begin at once (sshd_config(5), MaxSessions and MaxStartups)."""
_PAUSES = (0.5, 1.0, 2.0)
"""Before a command that found no way is tried again, in seconds."""


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, and what to do about it; both in plain words."""

    what: str
    mend: str


_ANY_KEY = "`ssh` to it once by hand"
_OBSTACLES = (
    (r"Could not resolve host|Name or service not known|getaddrinfo|No address associated",
     Obstacle("its name cannot be resolved", "Correct the name, or add it to the DNS, to"
              " /etc/hosts or to ~/.ssh/config.")),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED",
     Obstacle("its host key has changed", f"If it was installed anew, remove the old key"
              f" (`ssh-keygen -R`) and {_ANY_KEY}.")),
    (r"Host key verification failed|host key is known",
     Obstacle("its host key is not known here", f"Try {_ANY_KEY}, and compare the key.")),
    (r"Permission denied|Too many authentication failures",
     Obstacle("it refuses a login without a password",
              "Make `ssh` work without a password (`ssh-copy-id`).")),
    (r"Connection refused",
     Obstacle("no ssh server answers there", "Start its ssh server, or correct the address.")),
    (r"timed out|No route to host|Network is unreachable|Host is down|did not end within",
     Obstacle("it does not answer", "Switch it on, or correct its address.")),
)  # fmt: skip
# Before anything was asked of the machine: so it can be asked again. sshd drops connections while
# many begin (MaxStartups) and refuses sessions above MaxSessions (sshd_config(5)); a lost first
# answer of the engine makes docker use its own API's version, which the engine may not know.
_AGAIN = re.compile(
    r"Temporary failure in name resolution|kex_exchange_identification"
    r"|ssh_exchange_identification|during banner exchange|session request failed"
    r"|Session open refused|client version \S+ is too new"
)
_BY_SSH = re.compile(r"error during connect|exit status 255")
_gates: dict[str, threading.BoundedSemaphore] = {}


def pool() -> ThreadPoolExecutor:
    """Threads that talk to many machines, or to one about many things, at once."""
    return ThreadPoolExecutor(_THREADS)


def held_with(address: str) -> AbstractContextManager[object]:
    """The time of a conversation with a machine; who would be one too many waits."""
    if address == LOCAL:
        return nullcontext()  # there is no sshd in between
    # For all threads one step, as the keys are texts.
    return _gates.setdefault(address, threading.BoundedSemaphore(MOST_AT_ONCE))


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
        what: what it does, for errors.

    Raises:
        ProcessError: there is no such command here, or it took too long.
    """
    for pause in (*_PAUSES, None):
        with held_with(address):
            try:
                done = process.run(command, timeout=timeout, input=input, env=env)
            except process.CommandTimeout as error:
                place = "this machine" if address == LOCAL else address
                raise process.CommandTimeout(
                    f"`{what}` on {place} did not end within {timeout:g} seconds.", error.stderr
                ) from error
        if done.status == 0 or pause is None or not _AGAIN.search(done.stderr):
            break
        time.sleep(pause)
    return done


def obstacle(stderr: str) -> Obstacle:
    """What ssh's words mean; words that are not known are given as they are."""
    for words, found in _OBSTACLES:
        if re.search(words, stderr):
            return found
    lines = stderr.strip().splitlines()
    return Obstacle(one_line(lines[-1]) if lines else "ssh gave no reason",
                    "Make `ssh` work without a password.")  # fmt: skip


def is_unreachable(stderr: str) -> bool:
    """Whether a docker command failed since ssh found no way to the engine's machine."""
    return bool(_BY_SSH.search(stderr)) and any(re.search(w, stderr) for w, _ in _OBSTACLES)

"""One administrator at a time: a lock on the head, which ends with its holder.

A shell on the head holds it at the other end of a connection of its own. When the connection ends,
be it that the command was killed or its machine has crashed, the shell ends, and the lock with it.
"""

import getpass
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import PIPE
from typing import IO

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import OWN_CONNECTION, Machine, MachineError, unreachable
from cfiddle_slurm.printable import one_line

_BEAT_SECONDS = 20.0
_PLACE = "/run"
"""What is locked: a directory that every machine has, and that one need not be root to lock."""
# Who holds it is in the arguments of the shell that does, so that it cannot be out of date.
_SCRIPT = """
command -v flock >/dev/null || { echo "flock (util-linux) is missing" >&2; exit 1; }
exec 9<"$3"
if flock --timeout 3 9; then
    exec sh -c "$2" cfiddle-cluster-holder "$1"
fi
echo busy
for holder in $(grep --files-with-matches --null-data --line-regexp --no-messages \
    cfiddle-cluster-holder /proc/[0-9]*/cmdline); do
    # A container's own lock, for instance, is another one.
    lock="${holder%/cmdline}/fd/9"
    if [ -e "$lock" ] && ! [ "$lock" -ef "$3" ]; then continue; fi
    # One that has ended meanwhile tells nothing.
    words=$(tr '\\0\\n' '\\n ' <"$holder" | sed -n '/^cfiddle-cluster-holder$/{n;p;q;}')
    if [ -n "$words" ]; then echo "$words"; break; fi
done
"""
# Whoever is silent for long has gone, though the connection may not know it yet.
_HOLD = """
echo held
while [ -n "$(timeout --foreground 120 head -n 1)" ]; do :; done
"""


class Busy(MachineError):
    """Somebody else changes the cluster just now; the message says who, since when, and how."""


@contextmanager
def held(head: Machine, what: str) -> Iterator[None]:
    """The time in which nobody else changes the cluster of a head.

    Args:
        what: the command that is to change it.

    Raises:
        Busy: somebody else does so now.
        MachineError: the head cannot be reached.
    """
    shell = ["sh", "-c", _SCRIPT, "cfiddle-cluster-lock", _words(what), _HOLD, _PLACE]
    command = head.root_arguments(shell, *OWN_CONNECTION)
    with (
        tempfile.TemporaryFile() as words,
        process.started(command, stdin=PIPE, stderr=words) as child,
    ):
        _check(head, child.stdout, words)
        done = threading.Event()
        beat = threading.Thread(target=_beat, args=(child.stdin, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()


def _words(what: str) -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        user = str(os.getuid())
    since = time.strftime("%H:%M:%S")
    return f"{user}@{platform.node()} has run `{what}` since {since} (process {os.getpid()})"


def _check(head: Machine, answer: IO[bytes] | None, words: IO[bytes]) -> None:
    first = answer.readline().strip() if answer else b""
    if first == b"held":
        return
    if first == b"busy":
        holder = one_line(answer.readline().decode(errors="replace")) if answer else ""
        raise Busy(
            f"Another command is changing the cluster on {head}: "
            f"{holder or 'it is not known whose'}. Wait until it has finished."
        )
    words.seek(0)
    said = words.read().decode(errors="replace")
    if head.is_local:
        raise MachineError(f"The lock on {head} could not be taken: {one_line(said)}")
    raise unreachable(head, said)


def _beat(connection: IO[bytes] | None, done: threading.Event) -> None:
    while connection and not done.wait(_BEAT_SECONDS):
        with suppress(OSError):  # the connection is gone, and with it the lock
            connection.write(b"x\n")
            connection.flush()

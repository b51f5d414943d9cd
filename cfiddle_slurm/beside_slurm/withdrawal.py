"""Takes a worker out of service while its machine cannot execute runs, and brings it back.

Root's, beside slurmd: ``python3 -I -m cfiddle_slurm.beside_slurm.withdrawal COMMAND``.

``watch``
    do what sandboxd's word asks for.
``keep-watch``
    have that done for as long as the worker lives.
``withdraw [CAUSE]``
    take it out of service at once: at a job's end, before Slurm sends the next one. Without CAUSE
    sandboxd's word counts, and nothing is done where that is good.
``forget``
    at the start: jobs that Slurm believes to run here have died with the container before.

What a person set is never touched: see :func:`decide`. Where Slurm does not answer, or does not do
what it is asked for, that is a ProcessError.
"""

import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.beside_slurm.scontrol import note_address, scontrol
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.sandbox.protocol import JOBS_DIRECTORY, READY, SOCKET_PATH, STATE_NAME
from cfiddle_slurm.slurm_states import MARK, Node, parse_nodes

STATE = Path(SOCKET_PATH).with_name(STATE_NAME)
SPOOL = Path("/var/lib/slurm/slurmd")
LEAST_SPOOL = 4 << 20
"""A job's script and environment lie there; the largest script that Slurm takes has 4 MiB."""
STALE_SECONDS = 15.0
"""sandboxd says every few seconds how it is; so long it may take to be replaced."""
TICK_SECONDS = 1.0
ASK_SECONDS = 10.0
"""Between two looks at what Slurm says of this worker; there are none while it has a job."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
CALM_SECONDS = 900.0
AGAIN_SECONDS = 5.0
WATCH = ("python3", "-I", "-m", "cfiddle_slurm.beside_slurm.withdrawal", "watch")
SILENT = "the sandbox service does not answer"
_LONGEST_WORD = 512
_UNFIT = str.maketrans(dict.fromkeys("\"'\\[]=", ""))


def decide(node: Node, cause: str | None) -> tuple[str, str] | None:
    """What is to be asked of Slurm: a state and a reason, or None.

    A reason that a person wrote is neither replaced nor taken back.
    """
    if node.kept_out:
        return None
    if cause is not None:
        reason = MARK + cause.translate(_UNFIT)
        return None if node.withdrawn and node.reason == reason else ("DRAIN", reason)
    # One that does not respond comes back by registering.
    back = node.withdrew_itself and "not_responding" not in node.state
    return ("RESUME", "") if back else None


class Pauses:
    """How long to wait before a worker that Slurm itself took out of service is brought back.

    The causes are not known here: one that is not gone costs a run each time, so the pauses grow.
    """

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._seen: float | None = None
        self._resumed: float | None = None

    def allow(self, now: float) -> bool:
        """Whether it may be brought back now; asked at each look at a worker that is out."""
        if self._seen is None:
            self._seen = now
            if self._resumed is not None and now - self._resumed < CALM_SECONDS:
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            else:
                self._pause = FIRST_PAUSE
        if now - self._seen < self._pause:
            return False
        self._seen, self._resumed = None, now
        return True


class Word:
    """sandboxd's word, and since when it is the same old one.

    Its age is counted here and not taken from the file: a clock that is set is no age.
    """

    def __init__(self, file: Path = STATE) -> None:
        self._file = file
        self._stamp: tuple[str | None, int] | None = None
        self._since = time.monotonic()

    def look(self, now: float, *, busy: bool) -> str | None:
        """``ready``, or why no run could be executed; None while that is not known.

        Args:
            busy: whether a job is here: then sandboxd is silent, so as not to disturb it.
        """
        text, changed = read_word(self._file)
        if busy or (text, changed) != self._stamp:
            self._stamp, self._since = (text, changed), now
        return SILENT if now - self._since > STALE_SECONDS else text


def read_word(file: Path = STATE) -> tuple[str | None, int]:
    """What sandboxd has said, and when, in nanoseconds; None where it says nothing."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, 0
    try:
        stats = os.fstat(descriptor)
        if not stat.S_ISREG(stats.st_mode):
            return None, 0
        text = one_line(os.read(descriptor, _LONGEST_WORD).decode("utf-8", "replace"))
    except OSError:
        return None, 0
    finally:
        os.close(descriptor)
    return text or None, stats.st_mtime_ns


def spool_cause(spool: Path = SPOOL) -> str | None:
    """What is wrong with slurmd's own disk."""
    try:
        room = os.statvfs(spool)
    except OSError as error:
        return f"slurmd's spool cannot be used ({error.strerror})"
    if room.f_bavail * room.f_frsize < LEAST_SPOOL:
        return "slurmd's spool is full"
    return None


def has_job(jobs: Path = Path(JOBS_DIRECTORY)) -> bool:
    """Whether a job is registered here."""
    return any(True for _ in os.scandir(jobs))


def show_node(name: str) -> Node | None:
    """This worker as Slurm sees it; None where it is not registered."""
    done = scontrol("--oneliner", "show", "node", name)
    if done.status != 0 and "not found" not in done.stdout + done.stderr:
        raise ProcessError(f"Slurm does not answer: {one_line(done.stderr)}")
    return next((node for node in parse_nodes(done.stdout) if node.name == name), None)


def update(name: str, state: str, reason: str) -> None:
    """Have Slurm give this worker another state."""
    words = [f"NodeName={name}", f"State={state}", *([f"Reason={reason}"] if reason else [])]
    done = scontrol("update", *words)
    if done.status != 0:
        raise ProcessError(f"Slurm does not take it: {one_line(done.stderr)}")
    log(f"{state.lower()} {reason}".rstrip())


def settle(name: str, cause: str | None, pauses: Pauses | None = None) -> None:
    """See to it that Slurm sends jobs here if, and only if, they could be executed."""
    node = show_node(name)
    action = decide(node, cause) if node is not None else None
    if node is None or action is None:
        return
    by_slurm = action[0] == "RESUME" and not node.reason.startswith(MARK)
    if not by_slurm or (pauses is not None and pauses.allow(time.monotonic())):
        update(name, *action)


def forget(name: str) -> None:
    """Have Slurm give up the jobs that it believes to run here.

    It would take Slurm minutes to find out. A node that is down has no jobs; it is up as soon as
    slurmd registers it (slurm.conf(5), ReturnToService=2), and drained if it was before."""
    node = show_node(name)
    if node is not None and node.busy:
        update(name, "DOWN", node.reason if node.kept_out else f"{MARK}restarted")


def watch(name: str) -> None:
    """Settle whatever changes, for ever."""
    word, pauses = Word(), Pauses()
    settled: str | None = None
    ask_at = 0.0
    while True:
        now, busy = time.monotonic(), has_job()
        said = word.look(now, busy=busy)
        said = spool_cause() or said if said == READY else said
        if said is not None and (said != settled or (now >= ask_at and not busy)):
            try:
                settle(name, None if said == READY else said, pauses)
                settled = said
                if said == READY:
                    note_address()
            except ProcessError as error:
                log(str(error))
            ask_at = time.monotonic() + ASK_SECONDS
        time.sleep(TICK_SECONDS)


def keep_watch() -> None:
    """Have a process watch, for ever and whatever it dies of; SIGTERM ends both."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    while True:
        with process.started(WATCH, stdout=None) as child:
            child.wait()
        time.sleep(AGAIN_SECONDS)


def log(text: str) -> None:
    """One line for the administrator."""
    print(f"cfiddle-withdrawal: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 Slurm does not answer, 2 wrong usage."""
    name = socket.gethostname()
    try:
        match list(sys.argv[1:] if arguments is None else arguments):
            case ["watch"]:
                watch(name)
            case ["keep-watch"]:
                keep_watch()
            case ["withdraw"]:
                said, _ = read_word()
                if said not in (None, READY):
                    settle(name, said)
            case ["withdraw", cause]:
                settle(name, cause)
            case ["forget"]:
                forget(name)
            case _:
                print("usage: watch | keep-watch | withdraw [CAUSE] | forget", file=sys.stderr)
                return 2
    except ProcessError as error:
        log(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The process in which pyslurm lives: it reads questions from its standard input, one JSON a line.

It is started by its file's name and imports the standard library and pyslurm only: the rest of this
package would bring CFiddle along, which takes a second, and ``-m`` would find what lies in the
notebook's folder.

Each question is a table with a number ``n`` and a name ``ask``; the first line of its answer is
``{"n": n, "taken": true}``, written before Slurm hears of anything, the second has ``answer`` or
``error``. Standard error is a file in which the caller finds the last words of a helper that died.

PySlurm's names are those of its releases 24.11 and 25.11; each release fits one release of Slurm.
"""

import ctypes
import importlib
import json
import os
import resource
import select
import signal
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

IDLE_SECONDS = 600.0
"""So long it stays without a question; its caller stops relying on it before."""
_CALL_SECONDS = 60
"""Longer than any caller waits: a call that hangs must not outlive a notebook that is gone."""
_LONGEST_LINE = 4 << 20
_MOST_WORDS = 64 << 10
_LARGEST_FILE = 16 << 20
"""For what Slurm's library logs, and for the configuration that it fetches into memory."""
_CHUNK = 64 << 10
_UNKNOWN_JOB = "Invalid job id"

Table = dict[str, Any]


class Slurm:
    """What is asked of Slurm, by pyslurm."""

    def __init__(self, pyslurm: types.ModuleType) -> None:
        self._pyslurm = pyslurm

    def submit(self, question: Table) -> int:
        """Submit a job. Returns its id."""
        mask = os.umask(0o77)
        os.umask(mask)
        # Without any variable pyslurm takes all of this process's. sbatch gives this one, too.
        environment = {"SLURM_UMASK": f"{mask:04o}"}
        job = self._pyslurm.JobSubmitDescription(environment=environment, **question["job"])
        return int(job.submit())

    def states(self, question: Table) -> list[list[str]]:
        """Id, state, reason, nodes and name of the jobs that slurmctld knows of those asked for."""
        return [
            [str(job.id), job.state or "", job.state_reason or "", job.allocated_nodes or "",
             job.name or ""]
            for job in self._jobs(set(question["ids"]))
        ]  # fmt: skip

    def _jobs(self, ids: set[str]) -> list[Any]:
        if len(ids) != 1:
            return [job for job in self._pyslurm.Jobs.load().values() if str(job.id) in ids]
        # Of a thousand jobs in the queue, a controller that is asked for all sends megabytes.
        try:
            return [self._pyslurm.Job.load(int(*ids))]
        except self._pyslurm.RPCError as error:
            if _UNKNOWN_JOB in str(error):
                return []
            raise

    def search(self, question: Table) -> list[list[str]]:
        """Id and working directory of this user's jobs of a name."""
        uid = os.getuid()
        return [
            [str(job.id), job.working_directory or ""]
            for job in self._pyslurm.Jobs.load().values()
            if job.user_id == uid and job.name == question["name"]
        ]

    def cancel(self, question: Table) -> None:
        """Cancel a job."""
        self._pyslurm.Job(int(question["id"])).cancel()


def main() -> int:
    """Answer until standard input ends, or nobody has asked for long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The default action needs no interpreter, which waits as long as pyslurm does.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    # Slurm's library prints where it likes: what the caller reads must be nobody's standard output.
    answers = os.dup(1)
    os.dup2(2, 1)
    signal.alarm(_CALL_SECONDS)
    try:
        slurm = Slurm(_import())
    except BaseException as error:
        _say(answers, {"n": 0, "error": _words_of(error), "log": _log()})
        return 1
    _say(answers, {"n": 0, "answer": "ready", "log": _log()})
    signal.alarm(0)
    with suppress(BrokenPipeError):
        _converse(slurm, answers)
    return 0


def _import() -> types.ModuleType:
    """Import pyslurm, if it fits this machine's Slurm."""
    os.environ.pop("PYSLURM_DISABLE_AUTO_INIT", None)
    pyslurm = importlib.import_module("pyslurm")
    # Beside another release's library it would read other structures than those in memory.
    with suppress(AttributeError):
        number = ctypes.CDLL(None).slurm_api_version() >> 16
        if number != _api_of(pyslurm.__version__):
            raise ImportError(f"pyslurm {pyslurm.__version__} is not for this release of Slurm")
    return pyslurm


def _api_of(version: str) -> int:
    """The number of a release's library: 41 for 24.05, and one more every half year (META)."""
    year, month = (int(word) for word in version.split(".")[:2])
    return 41 + 2 * (year - 24) + (month > 6)


def _converse(slurm: Slurm, answers: int) -> None:
    rest = b""
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        data = os.read(0, _CHUNK)
        if not data or len(rest) > _LONGEST_LINE:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            signal.alarm(_CALL_SECONDS)
            _answer(slurm, json.loads(line), answers)
            signal.alarm(0)


def _answer(slurm: Slurm, question: Table, answers: int) -> None:
    number = question["n"]
    ask: Callable[[Table], Any] = getattr(slurm, question["ask"])
    _log()
    _say(answers, {"n": number, "taken": True})
    try:
        _say(answers, {"n": number, "answer": ask(question), "log": _log()})
    except BrokenPipeError:
        raise
    except Exception as error:
        _say(answers, {"n": number, "error": _words_of(error), "log": _log()})


def _words_of(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _say(answers: int, table: Table) -> None:
    data = memoryview(json.dumps(table).encode() + b"\n")
    while data:
        data = data[os.write(answers, data) :]


def _log() -> str:
    """What Slurm's library has printed since the last call, or the end of it."""
    with suppress(OSError, AttributeError):
        sys.stderr.flush()
        sys.stdout.flush()
    with suppress(OSError):  # it is no file when a person has started the helper
        size = os.fstat(2).st_size
        data = os.pread(2, _MOST_WORDS, max(0, size - _MOST_WORDS))
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)
        return data.decode(errors="replace")
    return ""


if __name__ == "__main__":
    sys.exit(main())

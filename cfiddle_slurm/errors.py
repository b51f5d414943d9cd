"""Everything that can go wrong, one class per cause, all of them CFiddle exceptions::

    CFiddleSlurmError
    ├── SettingsError
    ├── InputError
    ├── SubmissionError
    ├── SandboxRefused
    ├── VersionMismatch
    ├── Cancelled
    ├── ResultRejected
    ├── ExperimentFailed
    │   ├── WallTimeLimit
    │   ├── CpuTimeLimit
    │   ├── OutOfMemory
    │   ├── TooManyProcesses
    │   ├── ScratchFull
    │   ├── Crashed
    │   ├── Exited
    │   ├── OutputLimit
    │   ├── ResultLimit
    │   └── RemoteError
    └── ClusterTrouble
        ├── HomeUnwritable
        ├── SchedulerUnavailable
        ├── QueueTimeout
        ├── NodeFailed
        ├── JobLost
        ├── Withdrawn
        ├── SandboxUnavailable
        │   └── SandboxBusy
        └── ResultMissing

Each error says in one sentence what happened and, as a hint, what can be done. ``transient`` tells
whether the same run may succeed when tried again: true for trouble of the machines, never for the
experiment's own faults.
"""

import errno
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfiddle_slurm.bundle.layout import HOME_ERRORS
from cfiddle_slurm.printable import printable

try:
    from cfiddle.Exceptions import CFiddleException

    _runner = import_module("cfiddle.Runner")
except (ImportError, OSError, AttributeError) as _error:
    # Importing CFiddle runs a compiler and loads a dozen libraries: any of it may fail.
    raise ImportError(
        f"cfiddle_slurm needs CFiddle, which cannot be imported here ({_error}). CFiddle itself "
        "needs gcc on the PATH, pandas older than 3 and setuptools older than 82; "
        "`pip install --upgrade cfiddle_slurm` gets the right versions of both."
    ) from _error

if TYPE_CHECKING:
    from cfiddle_slurm.report import RunReport

_RunFailed: Any = (
    getattr(_runner, "RunnerExecutionMethodException", None)
    or getattr(_runner, "RunnerDelegateException", None)
    or CFiddleException
)
"""What CFiddle itself raises when a run fails; its name depends on CFiddle's version."""


class MeasurementWarning(UserWarning, CFiddleException):  # type: ignore[misc]
    """A measurement that is carried out, and may not mean what it seems to.

    As an error (``-W error``) it is one of CFiddle's, which it does not hide.
    """


class CFiddleSlurmError(CFiddleException):  # type: ignore[misc]
    """Base of all errors of this package.

    Args:
        message: what happened, one sentence.
        hint: what can be done about it.
        cause: the technical cause: an exception, or its text.
        job_id, node, run_id: where it happened, as far as that is known.

    Attributes:
        transient: whether trying again may help.
        partial_results: the results finished before, as CFiddle's list, or None.
        report: the run's :class:`~cfiddle_slurm.RunReport`, or None.
    """

    transient = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        cause: BaseException | str | None = None,
        job_id: str | None = None,
        node: str | None = None,
        run_id: str | None = None,
    ) -> None:
        # Any of the texts may be a stranger's words.
        told = cause if isinstance(cause, str) or cause is None else f"{cause!r}"
        super().__init__(printable(message))
        self.message = printable(message)
        self.hint = printable(hint)
        self.cause = told and printable(told)
        self.job_id = job_id
        self.node = node
        self.run_id = run_id
        self.partial_results: Any = None
        self.report: RunReport | None = None

    def __str__(self) -> str:
        places = {"job": self.job_id, "node": self.node, "run": self.run_id}
        where = ", ".join(f"{name} {value}" for name, value in places.items() if value)
        lines = [f"{self.message} {self.hint}".rstrip()]
        if where:
            lines.append(f"({where})")
        if self.cause:
            lines.append(f"Cause: {self.cause}")
        return printable("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,), self.__dict__


class ExperimentFailed(CFiddleSlurmError, _RunFailed):  # type: ignore[misc]
    """The experiment itself failed, and would fail again: it crashed, raised, or met a limit.

    It is also what CFiddle raises when a run fails on a laptop (``RunnerDelegateException``, or
    ``RunnerExecutionMethodException`` in newer versions): code written for CFiddle catches it.
    """


class ClusterTrouble(CFiddleSlurmError):
    """The cluster could not do its part; the experiment may be without fault."""


class SettingsError(CFiddleSlurmError):
    """A setting is unknown or wrong, wherever it stands."""


class InputError(CFiddleSlurmError):
    """A part of the experiment cannot travel: a file, a class, a glob."""


class HomeUnwritable(ClusterTrouble):
    """Nothing can be written to the shared home: it is full, or read-only."""


class SubmissionError(CFiddleSlurmError):
    """Slurm refused the job; the message has its own words."""


class SchedulerUnavailable(ClusterTrouble):
    """Slurm does not answer, or its commands are missing."""

    transient = True


class QueueTimeout(ClusterTrouble):
    """The job did not start within ``queue_timeout``; it was cancelled."""

    transient = True


class WallTimeLimit(ExperimentFailed):
    """The experiment took longer than it may."""


class CpuTimeLimit(ExperimentFailed):
    """The experiment used more CPU time than it may."""


class OutOfMemory(ExperimentFailed):
    """The experiment needed more memory than it may use."""


class TooManyProcesses(ExperimentFailed):
    """The experiment started more processes than it may."""


class ScratchFull(ExperimentFailed):
    """The experiment filled its scratch space."""


class Crashed(ExperimentFailed):
    """The experiment was ended by a signal, whose name is ``signal_name``."""

    signal_name: str = ""


class Exited(ExperimentFailed):
    """The experiment ended its process by itself, with the exit status ``code``."""

    code: int | None = None


class OutputLimit(ExperimentFailed):
    """The experiment printed too much."""


class ResultLimit(ExperimentFailed):
    """The results and output files are too long."""


class NodeFailed(ClusterTrouble):
    """The worker failed while it had the job."""

    transient = True


class JobLost(ClusterTrouble):
    """Slurm has forgotten the job: its controller was killed before it had written it down."""

    transient = True


class Withdrawn(ClusterTrouble):
    """The job's turn came when nothing had been heard of this process for minutes."""

    transient = True


class Cancelled(CFiddleSlurmError):
    """The job was cancelled by somebody else."""


class SandboxRefused(CFiddleSlurmError):
    """The sandbox service refused the run: an image or a limit that its policy does not allow."""


class SandboxUnavailable(ClusterTrouble):
    """The worker's sandbox service does not answer, or failed."""

    transient = True


class SandboxBusy(SandboxUnavailable):
    """Another experiment is still running on the worker."""


class ResultMissing(ClusterTrouble):
    """The job ended, but its results did not arrive."""

    transient = True


class ResultRejected(CFiddleSlurmError):
    """The result file contains something a result never contains, so none of it was loaded."""


class VersionMismatch(CFiddleSlurmError):
    """Notebook and sandbox have different versions of Python, CFiddle or cfiddle_slurm."""


class RemoteError(ExperimentFailed):
    """The experiment raised an exception that cannot be made again here.

    Attributes:
        type_name: the exception's class, as ``module.name``.
        remote_traceback: its traceback in the sandbox, as text.
    """

    type_name: str = ""
    remote_traceback: str = ""


def home_trouble(error: OSError) -> HomeUnwritable | None:
    """The error that says so when the shared home is what is wrong."""
    if error.errno not in HOME_ERRORS:
        return None
    what = "read-only" if error.errno == errno.EROFS else "full"
    return HomeUnwritable(
        f"The shared home is {what}: {os.strerror(error.errno)}.",
        hint="Remove files that you do not need; if that does not help, tell whoever runs the "
        "cluster.",
        cause=error,
    )

"""From what the sandbox or Slurm says of a run's end to the error that the user sees."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfiddle_slurm import errors
from cfiddle_slurm.errors import CFiddleSlurmError
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.schedulers.base import JobState, JobStatus

_K = OutcomeKind
_BY_KIND: dict[OutcomeKind, tuple[type[CFiddleSlurmError], str]] = {
    _K.SIGNAL: (
        errors.Crashed,
        "A pointer or an index out of range, or a file that was not opened? A file is there only "
        "if input_files names it. Results before it are kept.",
    ),
    _K.EXITED: (
        errors.Exited,
        "A function must return, and a file that it opens is there only if input_files names it. "
        "Results before it are kept.",
    ),
    _K.CPU_TIME: (
        errors.CpuTimeLimit,
        "Is a loop endless? Measure less or use fewer threads, or ask whoever runs the cluster for "
        "more cpu_seconds.",
    ),
    _K.WALL_TIME: (errors.WallTimeLimit, "Is a loop endless? Measure less, or raise time_limit."),
    _K.MEMORY: (errors.OutOfMemory, "Use less memory; files in the sandbox count, too."),
    _K.PROCESSES: (errors.TooManyProcesses, "Start fewer processes or threads."),
    _K.SCRATCH: (errors.ScratchFull, "Write less: files in the sandbox lie in memory."),
    _K.OUTPUT: (errors.OutputLimit, "Print less, or write to a file and name it in output_files."),
    _K.RESULT_SIZE: (errors.ResultLimit, "Measure or write less in one run."),
    _K.CANCELLED: (errors.Cancelled, "Somebody else, or Slurm, ended the job."),
    _K.WITHDRAWN: (
        errors.Withdrawn,
        "Was the notebook stopped, or its machine off? Then just run it again.",
    ),
    _K.REFUSED: (errors.SandboxRefused, ""),
    _K.BUSY: (errors.SandboxBusy, "Try again in a moment."),
    _K.UNAVAILABLE: (errors.SandboxUnavailable, "Try again, and tell whoever runs the cluster."),
    _K.VERSION_MISMATCH: (
        errors.VersionMismatch,
        "Was the cluster updated? Then restart the kernel. Otherwise install here what the sandbox "
        "has, or ask whoever runs the cluster to name your CFiddle in cluster.toml (the setting "
        "cfiddle) and to run `update`.",
    ),
    _K.HOME: (
        errors.HomeUnwritable,
        "Is the home full? Remove what you do not need, or tell whoever runs the cluster.",
    ),
    _K.GUEST_ERROR: (
        errors.SandboxUnavailable,
        "If it happens again, tell whoever runs the cluster.",
    ),
}
_BY_STATUS: dict[JobStatus, tuple[type[CFiddleSlurmError], str]] = {
    JobStatus.CANCELLED: (errors.Cancelled, "The job was cancelled from outside."),
    JobStatus.TIMEOUT: (errors.WallTimeLimit, "Slurm ended the job at its time limit."),
    JobStatus.OUT_OF_MEMORY: (errors.OutOfMemory, "Slurm ended the job: it was out of memory."),
    JobStatus.NODE_FAIL: (errors.NodeFailed, "The worker failed while it had the job."),
    JobStatus.PREEMPTED: (errors.NodeFailed, "The job was preempted by a more urgent one."),
}


def error_of_outcome(status: Mapping[str, Any]) -> CFiddleSlurmError | None:
    """The error that ``report.json`` tells of, as far as it fits; None when the run went well."""
    outcome = status.get("outcome")
    outcome = outcome if isinstance(outcome, Mapping) else {}
    try:
        kind = OutcomeKind(outcome.get("kind"))
    except ValueError:
        return errors.ResultMissing(
            "The run's report does not say how it ended.",
            hint="Are notebook and worker of the same version?",
            **_place(status),
        )
    if kind is OutcomeKind.OK:
        return None
    kind_of_error, hint = _BY_KIND[kind]
    message = outcome.get("message")
    error = kind_of_error(
        message if isinstance(message, str) and message else f"The run ended: {kind.value}.",
        hint=hint,
        **_place(status),
    )
    if kind is _K.GUEST_ERROR:
        error.transient = False  # it answered, and would answer the same again
    if isinstance(error, errors.Crashed):
        error.signal_name = one_line(str(outcome.get("signal") or ""))
    code = outcome.get("code")
    if isinstance(error, errors.Exited) and isinstance(code, int) and not isinstance(code, bool):
        error.code = code
    return error


def _place(status: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        key: one_line(value) if isinstance(value := status.get(key), str) and value else None
        for key in ("job_id", "node", "run_id")
    }


def error_of_state(state: JobState, kept: Path | None) -> CFiddleSlurmError:
    """The error of a job that ended without a report.

    Args:
        state: its final state.
        kept: the run's directory, if it is kept for a look at it.
    """
    kind, message = _BY_STATUS.get(
        state.status,
        (errors.NodeFailed, f"The job ended as {state.raw} before the sandbox could report."),
    )
    cause = f"Slurm says {state.raw}"
    if state.exit_code:
        cause += f", exit code {state.exit_code}"
    hint = f"Its files are kept in {kept}." if kept is not None else ""
    return kind(message, hint=hint, cause=cause, job_id=state.job_id, node=state.node)

"""The one place where Slurm's job states and pending reasons are known.

Sources: squeue(1), "JOB STATE CODES" and "JOB REASON CODES"; sacct(1), "JOB STATE CODES".
"""

from cfiddle_slurm.schedulers.base import JobStatus

_S = JobStatus
_STATES = {
    "PENDING": _S.PENDING, "CONFIGURING": _S.PENDING, "REQUEUED": _S.PENDING,
    "REQUEUE_FED": _S.PENDING, "REQUEUE_HOLD": _S.PENDING, "RESV_DEL_HOLD": _S.PENDING,
    "SPECIAL_EXIT": _S.PENDING, "POWER_UP_NODE": _S.PENDING,
    "RUNNING": _S.RUNNING, "RESIZING": _S.RUNNING, "SIGNALING": _S.RUNNING,
    "STOPPED": _S.RUNNING, "SUSPENDED": _S.RUNNING,
    "COMPLETING": _S.COMPLETING, "STAGE_OUT": _S.COMPLETING,
    "COMPLETED": _S.COMPLETED,
    "FAILED": _S.FAILED, "LAUNCH_FAILED": _S.FAILED,
    "CANCELLED": _S.CANCELLED, "REVOKED": _S.CANCELLED,
    "TIMEOUT": _S.TIMEOUT, "DEADLINE": _S.TIMEOUT,
    "OUT_OF_MEMORY": _S.OUT_OF_MEMORY,
    "BOOT_FAIL": _S.NODE_FAIL, "NODE_FAIL": _S.NODE_FAIL, "RECONFIG_FAIL": _S.NODE_FAIL,
    "PREEMPTED": _S.PREEMPTED,
}  # fmt: skip

_REASONS = {
    "None": "it waits for the next scheduling round",
    "Priority": "other jobs are before it in the queue",
    "Resources": "all workers are busy",
    "ReqNodeNotAvail": "a worker that it needs is not available",
    "Dependency": "it waits for another job",
    "BeginTime": "its start was set for later",
    "JobHeldUser": "it is held by its owner (scontrol release lets it go on)",
    "JobHeldAdmin": "it is held by an administrator",
    "PartitionDown": "its partition is down; ask whoever runs the cluster",
    "PartitionInactive": "its partition is inactive; ask whoever runs the cluster",
    "PartitionTimeLimit": "it asks for more time than its partition allows",
    "PartitionNodeLimit": "its partition has no such number of usable workers",
    "NodeDown": "the worker that it needs is down",
    "BadConstraints": "no worker has the features that it asks for",
    "Reservation": "it waits for its reservation",
    "ReservationDeleted": "its reservation does not exist any more",
    "Licenses": "it waits for a license",
    "Prolog": "its worker is being prepared",
    "Cleaning": "an earlier start of it is being cleaned up",
    "InvalidAccount": "its account is not known to Slurm",
    "InvalidQOS": "its quality of service is not known to Slurm",
    "AccountNotAllowed": "its account may not use this partition",
    "JobArrayTaskLimit": "too many tasks of its array run already",
    "SystemFailure": "Slurm or a worker failed; ask whoever runs the cluster",
    "launch failed requeued held": "its start failed; ask whoever runs the cluster",
}
_LIMITS = ("AssocGrp", "AssocMax", "QOSGrp", "QOSMax", "MaxJobs", "MaxSubmit", "QOSJobLimit")


def status_of(raw: str) -> JobStatus:
    """How far a job is, from Slurm's own word such as ``COMPLETED`` or ``CANCELLED by 1000``.

    A word that is not known here is :attr:`JobStatus.UNKNOWN`, which ends nothing.
    """
    words = raw.split()
    return _STATES.get(words[0].rstrip("+"), _S.UNKNOWN) if words else _S.UNKNOWN


def reason_in_english(reason: str) -> str:
    """A pending reason as a sentence's end; one that is not known here is quoted."""
    plain = reason.strip("()")
    if plain in _REASONS:
        return _REASONS[plain]
    if plain.startswith(_LIMITS):
        return f"a limit on running jobs is reached ({plain})"
    # Slurm may add detail: "ReqNodeNotAvail, UnavailableNodes:worker3".
    known = _REASONS.get(plain.partition(",")[0])
    if known is not None:
        return f"{known} ({plain})"
    return f"Slurm gives the reason {plain!r}" if plain else "Slurm gives no reason"

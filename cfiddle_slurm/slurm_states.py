"""The one place where Slurm's words for jobs and nodes, pending reasons and refusals are known.

Sources: squeue(1), "JOB STATE CODES" and "JOB REASON CODES"; sacct(1), "JOB STATE CODES";
sinfo(1), "NODE STATE CODES"; resource_limits.html; slurm.conf(5), MaxJobCount and rl_enable.
"""

import enum
import re
from dataclasses import dataclass


class JobStatus(enum.Enum):
    """How far a job is. Slurm's own words for it are known below only."""

    UNKNOWN = 0
    PENDING = 1
    RUNNING = 2
    COMPLETING = 3
    COMPLETED = 10
    FAILED = 11
    CANCELLED = 12
    TIMEOUT = 13
    OUT_OF_MEMORY = 14
    NODE_FAIL = 15
    PREEMPTED = 16

    @property
    def final(self) -> bool:
        """Whether the job can never run again."""
        return self.value >= JobStatus.COMPLETED.value


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
_USABLE_NODE = frozenset(
    # The last three say where a node comes from and how it is used; all others keep jobs away.
    ("idle", "mixed", "allocated", "completing", "planned", "cloud", "dynamic_norm", "exclusive")
)
_WITHDRAWN_NODE = frozenset(("down", "drain", "drained", "draining", "fail", "failing"))
_BUSY_NODE = frozenset(("mixed", "allocated", "completing"))
MARK = "cfiddle: "
"""So begins each reason for which a worker of ours takes itself out of service."""
BEING_REPLACED = "being replaced"
"""After it: the reason of one that is stopped in good order; `daemon` gives it."""
# What slurmctld and slurmd themselves write when they drain a node, some with details in brackets
# (Slurm 24.11: node_mgr.c, agent.c, slurmd's req.c, slurmstepd's step_terminate_monitor.c).
_SLURMS_OWN = re.compile(
    r"(?:Prolog error|Epilog error|Prolog/Epilog failure|Kill task failed|SlurmdSpoolDir is full"
    r"|batch job complete failure|(?:Prolog |Batch job )?[Ll]aunch failure|Prolog hung"
    r"|Duplicate jobid|Node unexpectedly rebooted|Not responding"
    r"|Low (?:RealMemory|CPUs|TmpDisk|socket\*core\*thread count))(?: ?\(.*)?"
)
_LIMITS = ("AssocGrp", "AssocMax", "QOSGrp", "QOSMax", "MaxJobs", "MaxSubmit", "QOSJobLimit")

# Refusals that mean "not now": the same job is taken as soon as others have ended.
_YOURS = "you have as many jobs in the queue as you may have"
_ACCOUNTS = "your account has as many jobs in the queue as it may have"
_NO_ROOM = {
    "AssocMaxSubmitJobLimit": _YOURS,
    "AssocGrpSubmitJobsLimit": _ACCOUNTS,
    "QOSMaxSubmitJobPerUserLimit": _YOURS,
    "QOSMaxSubmitJobPerAccountLimit": _ACCOUNTS,
    "QOSGrpSubmitJobsLimit": "its quality of service has as many jobs in the queue as it may have",
    "temporarily unable to accept job": "its queue is full",
    "job queue full": "its queue is full",
    "controller not responding, sleeping": "its queue is full",  # so srun puts it
    "creation temporarily disabled": "it is just starting machines",
    "Resource temporarily unavailable": "its queue is full",
    "Unable to create job record, try again": "it is too busy",
    "rate limit exceeded": "it is asked too often",
}


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


def no_room(words: str) -> str | None:
    """Why Slurm takes no job now, as a sentence's end, from what sbatch or srun said.

    None where it will not take it later either.
    """
    for sign, why in _NO_ROOM.items():
        if sign.lower() in words.lower():
            return why if " " in sign else f"{why} ({sign})"  # a limit's name is worth telling
    return None


def is_own_limit(words: str) -> bool:
    """Whether a refusal is about the number of this user's own jobs, and nobody else's."""
    return any(sign in words for sign, why in _NO_ROOM.items() if why is _YOURS)


def node_takes_jobs(state: str) -> bool:
    """Whether a node in a state like ``IDLE`` or ``IDLE+DRAIN`` takes jobs, now or next."""
    return set(state.lower().split("+")) <= _USABLE_NODE


def node_is_withdrawn(state: str) -> bool:
    """Whether ``scontrol update State=RESUME`` has something to undo; else Slurm refuses it."""
    return bool(set(state.lower().split("+")) & _WITHDRAWN_NODE)


def node_is_out(state: str) -> bool:
    """As :func:`node_is_withdrawn`, for a state in sinfo's words, such as ``drained*``."""
    return node_is_withdrawn(state.rstrip("*~#!%$@^-+"))


def reason_is_a_machines(reason: str) -> bool:
    """Whether a node's reason was written by a machine, ours or Slurm, and by no person.

    Such a node comes back by itself when the cause is gone. What a person wrote stays.
    """
    return reason.startswith(MARK) or _SLURMS_OWN.fullmatch(reason) is not None


@dataclass(frozen=True)
class Node:
    """A worker as Slurm sees it.

    Attributes:
        state: in Slurm's words, such as ``idle`` or ``idle+drain``.
        features: what jobs may ask for.
        reason: why it takes no jobs, as far as somebody said so.
    """

    name: str
    state: str
    features: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether it takes jobs, now or after the present one."""
        return node_takes_jobs(self.state)

    @property
    def withdrawn(self) -> bool:
        """Whether it was taken out of service, by somebody or by Slurm, and can be resumed."""
        return node_is_withdrawn(self.state)

    @property
    def withdrew_itself(self) -> bool:
        """Whether a machine took it out of service, and no person did."""
        return self.withdrawn and reason_is_a_machines(self.reason)

    @property
    def kept_out(self) -> bool:
        """Whether a person took it out of service: only a person brings it back."""
        return self.withdrawn and bool(self.reason) and not reason_is_a_machines(self.reason)

    @property
    def busy(self) -> bool:
        """Whether a job is on it."""
        return bool(set(self.state.lower().split("+")) & _BUSY_NODE)


def parse_nodes(text: str) -> list[Node]:
    """Nodes from the lines of ``scontrol --oneliner show nodes`` (scontrol(1))."""
    found = []
    for line in text.splitlines():
        # A reason is anybody's text, and may look like further fields.
        before, _, rest = line.partition(" Reason=")
        fields = dict(re.findall(r"(?:^| )([A-Za-z]+)=(\S*)", before))
        if "NodeName" in fields:
            reason = re.match(r"(.*?)(?: \[[^\[]+@[^\[]+\]| [A-Z]\w+=|$)", rest)
            features = fields.get("ActiveFeatures", "")
            found.append(
                Node(
                    fields["NodeName"],
                    fields.get("State", "").lower().replace("*", "+not_responding"),
                    "" if features == "(null)" else features,
                    reason[1].strip() if reason else "",
                )
            )
    return sorted(found, key=lambda node: node.name)

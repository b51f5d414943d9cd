"""What Slurm's commands print, turned into what the program uses. Pure functions."""

import enum
import re

from cfiddle_slurm.schedulers.base import JobState
from cfiddle_slurm.schedulers.job_script import run_id_of
from cfiddle_slurm.slurm_states import status_of

SQUEUE_FORMAT = "%i|%T|%r|%N|%j"
SINFO_FORMAT = "%N|%T|%E"
SACCT_FORMAT = "JobIDRaw,State,NodeList,ExitCode,JobName"

_PARSABLE = re.compile(r"(\d+)(?:;[^\s;]*)?")
_QUEUED = re.compile(r"^srun: job (\d+) (?:queued|has been allocated)", re.MULTILINE)
_PREFIX = re.compile(r"^(?:sbatch|srun|squeue|sacct|scancel): (?:(?:error|fatal): )?")
_GENERAL = re.compile(
    r"^(?:Batch job submission failed|Unable to allocate resources|Job submit/allocate failed): "
)
_NO_REASON = "Unspecified error"
_ATTEMPT = re.compile(r"attempt number [2-9]")
_NOT_REACHED = (
    "Unable to contact slurm controller",
    "getaddrinfo() failed",
    "Could not establish a configuration source",
    "Unable to establish configuration source",
    "Unable to process configuration file",
    "munge",
    "Munge",
    "authentication",
    "resolve_ctls_from_dns_srv",
)
_LOST = (
    "Socket timed out",
    "Connection timed out",
    "Connection reset",
    "Zero Bytes were transmitted",
    "Transport endpoint is not connected",
    "Unexpected message received",
    "Insane message length",
    "Unable to confirm allocation",
    "Force Terminated",
)


_HEAD_FULL = ("I/O error writing script/environment to file",)
_NOT_STARTED = ("prolog failed", "Prolog failure on node")
_FAILED_NODE = re.compile(r"(?:failed|failure) on node ([A-Za-z0-9][A-Za-z0-9._-]*)")


class Trouble(enum.Enum):
    """What a submission's failure means."""

    HEAD_FULL = "Slurm could not write it down: there is no job."
    NOT_STARTED = "A worker could not start it: the job has ended."
    REFUSED = "Slurm said no: there is no job."
    NOT_REACHED = "Slurm was not reached: there is no job."
    REPLY_LOST = "The question may have arrived: there may be a job."


def parse_submission(output: str) -> str | None:
    """The job id that ``sbatch --parsable`` printed, or None."""
    lines = output.strip().splitlines()
    match = _PARSABLE.fullmatch(lines[-1].strip()) if lines else None
    return match[1] if match else None


def parse_srun_log(log: str) -> str | None:
    """The job id, if srun had to tell that its job waits."""
    match = _QUEUED.search(log)
    return match[1] if match else None


def trouble_of(stderr: str) -> Trouble:
    """What the failure of sbatch or srun means, from what it printed."""
    if any(words in stderr for words in _HEAD_FULL):
        return Trouble.HEAD_FULL
    if any(words in stderr for words in _NOT_STARTED):
        return Trouble.NOT_STARTED
    if any(words in stderr for words in _LOST):
        return Trouble.REPLY_LOST
    if any(words in stderr for words in _NOT_REACHED):
        return Trouble.NOT_REACHED
    return Trouble.REFUSED


def failed_node(stderr: str) -> str | None:
    """The node on which a job could not be started, from srun's words."""
    match = _FAILED_NODE.search(stderr)
    return match[1].rstrip(".") if match else None


def own_words(stderr: str) -> str:
    """Slurm's own words for a failure, without program names and repetitions, as one line."""
    words: list[str] = []
    for line in stderr.splitlines():
        text = _GENERAL.sub("", _PREFIX.sub("", line.strip()))
        if text and text not in words:
            words.append(text)
    # A site's own job_submit script has said why; what Slurm adds to that says nothing.
    telling = [text for text in words if text != _NO_REASON and not _ATTEMPT.search(text)]
    return "; ".join(telling or words) or "no reason was given"


def parse_squeue(output: str) -> dict[str, JobState]:
    """Job states by job id, from squeue's lines in :data:`SQUEUE_FORMAT`."""
    found = {}
    for line in output.splitlines():
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and fields[0]:
            job_id, raw, reason, node, name = fields
            found[job_id] = JobState(
                job_id, status_of(raw), raw, reason, _node(node), None, run_id_of(name)
            )
    return found


def parse_sacct(output: str) -> dict[str, JobState]:
    """Job states by job id, from sacct's lines in :data:`SACCT_FORMAT`."""
    found = {}
    for line in output.splitlines():
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and fields[0]:
            job_id, raw, node, exit_code, name = fields
            found[job_id] = JobState(
                job_id, status_of(raw), raw, "", _node(node), exit_code or None, run_id_of(name)
            )
    return found


def _node(text: str) -> str | None:
    return None if text in ("", "None assigned", "(null)") else text


def parse_node_states(output: str) -> dict[str, tuple[str, str]]:
    """State and reason by node, from sinfo's lines in :data:`SINFO_FORMAT`."""
    found = {}
    for line in output.splitlines():
        fields = line.strip().split("|", 2)
        if len(fields) == 3:
            found[fields[0].strip()] = (fields[1].strip(), fields[2].strip())
    return found

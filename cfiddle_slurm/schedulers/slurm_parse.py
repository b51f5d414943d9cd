"""What Slurm's commands print, turned into what the program uses. Pure functions."""

import enum
import re

from cfiddle_slurm.printable import one_line
from cfiddle_slurm.schedulers.base import JobState
from cfiddle_slurm.schedulers.job_script import run_id_of
from cfiddle_slurm.slurm_states import no_room, status_of

SQUEUE_FORMAT = "%i|%T|%r|%N|%j"
SINFO_FORMAT = "%N|%T|%E"
SACCT_FORMAT = "JobIDRaw,State,NodeList,ExitCode,JobName"
SQUEUE_SEARCH = "%i|%Z"
SACCT_SEARCH = "JobIDRaw,WorkDir"

# What a site's wrapper prints before or after is none of these. The second is what sbatch prints
# where the wrapper has lost `--parsable`.
_SUBMITTED = re.compile(r"([0-9]+)(?:;[^\s;]*)?|Submitted batch job ([0-9]+)(?: on cluster \S+)?")
_JOB_ID = re.compile("[0-9]+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUEUED = re.compile(r"^srun: job ([0-9]+) (?:queued|has been allocated)", re.MULTILINE)
_PROGRAMS = "(?:sbatch|srun|squeue|sacct|scancel)"
_PREFIX = re.compile(rf"^{_PROGRAMS}: (?:(?:error|fatal): )?")
_OWN = re.compile(rf"^(?:{_PROGRAMS}|slurm_\w+ error): ")
_COMPLAINT = re.compile(rf"^(?:{_PROGRAMS}: (?:error|fatal)|slurm_\w+ error): ")
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
    "backup controller in standby mode",
)
_LOST = (
    "Socket timed out",
    "Connection timed out",
    "Connection reset",
    "Zero Bytes were transmitted",
    "Unexpected missing socket error",
    "Transport endpoint is not connected",
    "Unexpected message received",
    "Message receive failure",
    "Header lengths are longer than data received",
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
    NO_ROOM = "Slurm has no room at the moment: there is no job."
    REPLY_LOST = "The question may have arrived: there may be a job."


def parse_submission(output: str) -> str | None:
    """The job id that ``sbatch --parsable`` printed, among whatever a site's wrapper prints.

    None where there is none, or more than one line could be it.
    """
    lines = (_COLOURS.sub("", line).strip() for line in output.split("\n"))
    found = {match[1] or match[2] for line in lines if (match := _SUBMITTED.fullmatch(line))}
    return found.pop() if len(found) == 1 else None


def parse_srun_log(log: str) -> str | None:
    """The job id, if srun had to tell that its job waits."""
    match = _QUEUED.search(log)
    return match[1] if match else None


def trouble_of(stderr: str) -> Trouble:
    """What the failure of sbatch or srun means, from what it printed.

    Where Slurm speaks itself, nothing else counts: a site's banner may speak of authentication.
    """
    lines = stderr.split("\n")
    text = "\n".join([line for line in lines if _OWN.match(line.strip())] or lines)
    if any(words in text for words in _HEAD_FULL):
        return Trouble.HEAD_FULL
    if any(words in text for words in _NOT_STARTED):
        return Trouble.NOT_STARTED
    if any(words in text for words in _LOST):
        return Trouble.REPLY_LOST
    if any(words in text for words in _NOT_REACHED):
        return Trouble.NOT_REACHED
    if no_room(stderr) is not None:
        return Trouble.NO_ROOM
    return Trouble.REFUSED


def complains(stderr: str) -> bool:
    """Whether Slurm itself says there that something failed, and not only a wrapper around it."""
    return any(_COMPLAINT.match(line.strip()) for line in stderr.split("\n"))


def failed_node(stderr: str) -> str | None:
    """The node on which a job could not be started, from srun's words."""
    match = _FAILED_NODE.search(stderr)
    return match[1].rstrip(".") if match else None


def own_words(stderr: str) -> str:
    """Slurm's own words for a failure, without program names and repetitions, as one line.

    What a site's wrapper printed comes after them.
    """
    words: dict[bool, list[str]] = {True: [], False: []}
    for line in stderr.split("\n"):
        bare = line.strip()
        text = one_line(_GENERAL.sub("", _PREFIX.sub("", bare)))
        of_slurm = words[_PREFIX.match(bare) is not None]
        if text and text not in of_slurm:
            of_slurm.append(text)
    # A site's own job_submit script has said why; what Slurm adds to that says nothing.
    telling = [text for text in words[True] if text != _NO_REASON and not _ATTEMPT.search(text)]
    found = [*(telling or words[True]), *words[False]]
    return "; ".join(dict.fromkeys(found)) or "no reason was given"


def parse_squeue(output: str) -> dict[str, JobState]:
    """Job states by job id, from squeue's lines in :data:`SQUEUE_FORMAT`."""
    found = {}
    for line in output.split("\n"):
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and _JOB_ID.fullmatch(fields[0]):
            job_id, raw, reason, node, name = fields
            found[job_id] = JobState(
                job_id, status_of(raw), raw, one_line(reason), _node(node), None, run_id_of(name)
            )
    return found


def parse_sacct(output: str) -> dict[str, JobState]:
    """Job states by job id, from sacct's lines in :data:`SACCT_FORMAT`."""
    found = {}
    for line in output.split("\n"):
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and _JOB_ID.fullmatch(fields[0]):
            job_id, raw, node, exit_code, name = fields
            found[job_id] = JobState(
                job_id, status_of(raw), raw, "", _node(node), exit_code or None, run_id_of(name)
            )
    return found


def parse_search(output: str, folder: str) -> list[str]:
    """The ids of the jobs that work in a folder, from lines in :data:`SQUEUE_SEARCH`.

    A job's name is everybody's to choose; where it works, only a job of this run has to tell.
    """
    wanted = folder.partition("\n")[0]  # as much as a line can hold of it
    found = (line.lstrip().partition("|") for line in output.split("\n"))
    return [job_id for job_id, _, place in found if place == wanted and _JOB_ID.fullmatch(job_id)]


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

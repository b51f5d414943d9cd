"""What a controller that was killed has forgotten is settled before any job starts.

Slurm writes its state every five seconds. A controller that was killed has forgotten what came
after that: new jobs, that jobs have started, and that they have ended. A run's directory knows
better.

Root's, beside slurmctld: ``python3 -I -m cfiddle_slurm.beside_slurm.recovery COMMAND``.

``prepare``
    before slurmctld starts: no id is given a second time, and no job starts.
``settle``
    while it runs: what is over gives its worker back, what has started is not started again. Then
    jobs start, whatever failed here.
"""

import contextlib
import enum
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.bundle.layout import REPORT, STARTED
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import Completed, ProcessError
from cfiddle_slurm.slurm_states import JobStatus, status_of

CONFIGURATION = Path("/etc/slurm/slurm.conf")
PARTITION = "cfiddle"
SPARE_IDS = 100
"""So many jobs may have come whose ids even the accounting has not heard of."""
ACCOUNTING_SECONDS = 20.0
ASK_SECONDS = 60.0
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
GIVE_UP_SECONDS = 15.0
"""What runs of a forgotten start is killed as soon as its worker registers and names a job that
waits, a few seconds after the start ("Registered PENDING JobId")."""
# What job_submit.lua lets through.
_LINE = re.compile(r"\s*([0-9]+) ([A-Z_]+) cfiddle-[0-9A-Fa-f]{16}\s*")
_UP = re.compile(r" UP$", re.MULTILINE)
_NOT_TEXT = "\N{REPLACEMENT CHARACTER}"


def highest_id(accounting: str) -> int:
    """The highest id among sacct's lines; 0 where there is none."""
    return max((int(line) for line in accounting.split() if line.isdecimal()), default=0)


def prepared(configuration: str, last: int) -> str:
    """slurm.conf for a start: no id up to ``last`` is given again, and no job starts.

    A worker that remembers an id of an earlier job would be drained.
    """
    shut = re.sub(r"^(PartitionName=.*) State=UP ", r"\1 State=DOWN ", configuration, flags=re.M)
    return f"{shut}FirstJobId={last + SPARE_IDS}\n"


def opened(configuration: str) -> str:
    """slurm.conf once jobs start: what is read again later must not shut the partition."""
    return re.sub(r"^(PartitionName=.*) State=DOWN ", r"\1 State=UP ", configuration, flags=re.M)


@dataclass(frozen=True)
class Run:
    """What a run's directory tells of it.

    Attributes:
        over: it has ended, or nobody waits for it any more.
        started: an experiment was started for it.
    """

    over: bool = False
    started: bool = False


def look(folder: str) -> Run:
    """What the directory of a job's run tells; where it tells nothing, the run is not over.

    The job's owner chose the path and what lies there, and root looks. So nothing is read; all that
    is asked is whether the folder and two names in it are there, and no link is followed to find
    them. Whatever somebody puts there, the answer ends or holds that person's own job and no other.
    """
    parent = folder.rpartition("/")[0]
    if _NOT_TEXT in folder or not os.path.isdir(parent):
        return Run()  # a home that is not there, say, tells nothing
    try:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Run(over=True)
    except (OSError, ValueError):
        return Run()
    try:
        return Run(over=_is_there(REPORT, place), started=_is_there(STARTED, place))
    finally:
        os.close(place)


def _is_there(name: str, place: int) -> bool:
    try:
        os.stat(name, dir_fd=place, follow_symlinks=False)
    except OSError:
        return False
    return True


class Action(enum.Enum):
    """What is done about a job."""

    LEAVE = "leave"
    CANCEL = "cancel"
    HOLD = "hold"


def decide(status: JobStatus, run: Run) -> Action:
    """What is done about a job that waits or runs, as far as Slurm remembers."""
    if run.over:
        return Action.CANCEL
    if status is JobStatus.PENDING and run.started:
        return Action.HOLD
    return Action.LEAVE


def parse_queue(text: str) -> list[tuple[str, JobStatus]]:
    """The jobs that execute runs, from squeue's lines ``ID STATE NAME``; others are left alone."""
    found = map(_LINE.fullmatch, text.split("\n"))
    return [(line[1], status_of(line[2])) for line in found if line]


def prepare(file: Path = CONFIGURATION) -> None:
    """Change the controller's configuration for its start.

    Raises:
        OSError: it cannot be changed; the controller must not start like this.
    """
    try:
        done = process.run(
            ["sacct", "--allusers", "--allocations", "--duplicates", "--noheader", "--parsable2",
             "--starttime=now-7days", "--format=JobIDRaw"],
            timeout=ACCOUNTING_SECONDS,
        )  # fmt: skip
        last = highest_id(done.stdout)
    except ProcessError as error:
        log(f"the accounting does not tell which ids were given: {error}")
        last = 0
    _change(file, lambda text: prepared(text, last))


def settle(file: Path = CONFIGURATION) -> None:
    """Settle all jobs as soon as slurmctld answers, and let jobs start."""
    while not _answers():
        time.sleep(POLL_SECONDS)
    try:
        for job_id, status in _queue():
            with contextlib.suppress(ProcessError):
                settle_job(job_id, status)
    finally:
        _let_jobs_start(file)


def settle_job(job_id: str, status: JobStatus) -> None:
    """Do about a job what its run's directory tells.

    Raises:
        ProcessError: Slurm does not answer.
    """
    # Asked for alone: a folder's name may look like a further line of the list.
    asked = _slurm("squeue", "--noheader", f"--jobs={job_id}", "--format=%Z")
    folder = asked.stdout.removesuffix("\n")
    action = decide(status, look(folder))
    if action is Action.CANCEL:
        _slurm("scancel", job_id)
    elif action is Action.HOLD:
        with contextlib.suppress(ProcessError):
            _slurm("scontrol", "hold", job_id)
        # Jobs start before this one is settled: it alone has to wait.
        threading.Thread(target=end_started, args=(job_id, folder)).start()


def end_started(job_id: str, folder: str) -> None:
    """Wait for the end of a held job's run, whose worker may still execute it.

    What is not over by then never will be: the job starts once more, finds that it had started
    before, and fails, whereupon the notebook tries again by another one.
    """
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not (over := look(folder).over) and time.monotonic() < give_up:
        time.sleep(LOOK_SECONDS)
    with contextlib.suppress(ProcessError):
        if over:
            _slurm("scancel", "--quiet", job_id)
        else:
            _slurm("scontrol", "release", job_id)


def _answers() -> bool:
    try:
        return _UP.search(process.run(["scontrol", "ping"], timeout=ASK_SECONDS).stdout) is not None
    except ProcessError:
        return False


def _queue() -> list[tuple[str, JobStatus]]:
    states = ",".join(each.name for each in (JobStatus.PENDING, JobStatus.RUNNING))
    with contextlib.suppress(ProcessError):
        done = _slurm("squeue", "--noheader", f"--states={states}", "--format=%i %T %j")
        return parse_queue(done.stdout)
    return []


def _let_jobs_start(file: Path) -> None:
    while True:
        with contextlib.suppress(ProcessError):
            if _slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=UP").status == 0:
                break
        time.sleep(POLL_SECONDS)
    _change(file, opened)


def _slurm(*words: str) -> Completed:
    """Run one of Slurm's commands; a failure is a line in the controller's log.

    Raises:
        ProcessError: it gave no answer.
    """
    try:
        done = process.run(words, timeout=ASK_SECONDS)
    except ProcessError as error:
        log(str(error))
        raise
    if done.status != 0:
        log(f"{' '.join(words)}: {one_line(done.stderr)}")
    return done


def _change(file: Path, change: Callable[[str], str]) -> None:
    """Change a file by rename: slurmctld, told to read it again, finds a whole one."""
    temporary = file.with_suffix(".new")
    temporary.write_text(change(file.read_text("utf-8")), "utf-8")
    temporary.chmod(file.stat().st_mode & 0o777)
    temporary.replace(file)


def log(text: str) -> None:
    """One line for the administrator."""
    print(f"cfiddle-recovery: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 2 wrong usage."""
    match list(sys.argv[1:] if arguments is None else arguments):
        case ["prepare"]:
            prepare()
        case ["settle"]:
            settle()
        case _:
            print("usage: prepare | settle", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

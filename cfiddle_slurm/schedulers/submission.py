"""One run's submission to Slurm, which happens once whatever becomes of Slurm's reply."""

import math
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.bundle.layout import JOB_SCRIPT, SLURM_LOG
from cfiddle_slurm.errors import (
    CFiddleSlurmError,
    QueueTimeout,
    SubmissionError,
)
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.notices import tell
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import CommandTimeout
from cfiddle_slurm.schedulers import slurm_commands, srun
from cfiddle_slurm.schedulers.binding import questions
from cfiddle_slurm.schedulers.by_name import cancel_jobs_of, has_no_job, jobs_of
from cfiddle_slurm.schedulers.job_script import sbatch_arguments, script_text, srun_arguments
from cfiddle_slurm.schedulers.refusals import error_of
from cfiddle_slurm.schedulers.room import Place, room_for
from cfiddle_slurm.schedulers.slurm_parse import (
    Trouble,
    complains,
    own_words,
    parse_srun_log,
    parse_submission,
    trouble_of,
)
from cfiddle_slurm.settings import Settings
from cfiddle_slurm.slurm_states import is_own_limit, no_room

_SEARCH_SECONDS = 15.0
_SEARCH_AFTER_DEATH = 5.0
"""The same where Slurm answers, and only the process that asked it has died."""
_SEARCH_PAUSE = 0.5
_PATIENCE_SECONDS = 10.0
"""How long a controller that is just being restarted is waited for."""
_PATIENCE_IN_LINE = 300.0
"""The same for a run that waits for room: nobody watches who has gone home meanwhile."""
_PATIENCE_PAUSE = 0.5
_HOPELESS_AFTER = 4
"""After so many refusals it is asked whether this user has jobs at all that could end."""
_SRUN_POLL = 0.01
_SRUN_ASKS_AFTER = 2.0

_at_once = threading.BoundedSemaphore(8)
"""So many of this process ask at a time: sixty make each other, and the controller, slow."""


class _NotTaken(Exception):
    """There is no job, and Slurm may be asked again; ``words`` are its own."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class _NotReached(_NotTaken):
    """Slurm was not reached."""


class _NoRoom(_NotTaken):
    """Slurm has no room for the job at the moment."""


class Submission:
    """Submits the run in a job directory.

    Args:
        run_id: the run's name, by which its job can be found.
        folder: its job directory.
        settings: its settings.
    """

    def __init__(self, run_id: str, folder: Path, settings: Settings) -> None:
        self._run_id, self._folder, self._settings = run_id, folder, settings
        self._directory = JobDirectory(folder)
        self._give_up = time.monotonic() + (settings.queue_timeout or math.inf)
        self._patience = _PATIENCE_SECONDS
        self._refusals = 0
        self._why = ""
        self._has_told = False

    def submit(self) -> str:
        """Submit it; while Slurm has no room for it, wait. Returns the job id.

        Raises:
            SubmissionError: Slurm refused it for good.
            QueueTimeout: Slurm had no room for it for so long.
            SchedulerUnavailable: Slurm does not answer; no job is left that could run.
            NodeFailed: a worker could not start it; no job is left, either.
            KeyboardInterrupt: after the job was cancelled, if there is one.
        """
        (self._folder / JOB_SCRIPT).write_text(script_text(self._folder))
        try:
            with room_for(self._settings).place() as place:
                return self._until_taken(place)
        except KeyboardInterrupt:
            cancel_jobs_of(self._run_id)
            raise

    def _until_taken(self, place: Place) -> str:
        heard = time.monotonic()
        while True:
            others = place.join()
            if others is not None:
                self._tell(others)
            if not place.wait_for_turn(self._give_up):
                raise self._too_late()
            if others is not None:
                heard = time.monotonic()
            try:
                return self._attempt()
            except _NotReached as error:
                if time.monotonic() >= heard + self._patience:
                    raise slurm_commands.unavailable(error.words) from error
                time.sleep(_PATIENCE_PAUSE)
            except _NoRoom as error:
                self._note_refusal(error.words)
                place.wait_for_room(error.words, self._give_up)
                heard = time.monotonic()

    def _attempt(self) -> str:
        try:
            return self._srun() if self._settings.submit == "srun" else self._pyslurm()
        except BlockingIOError as error:  # fork(2): as many processes as there may be
            raise _NoRoom(f"{error.strerror}; this machine can start no more processes") from error

    def _note_refusal(self, words: str) -> None:
        self._refusals += 1
        self._tell(words)
        if self._refusals % _HOPELESS_AFTER == 0 and is_own_limit(words) and has_no_job():
            raise SubmissionError(
                f"Slurm takes no job of yours, though you have none: {one_line(words)}.",
                hint="Ask whoever runs the cluster.",
            )

    def _tell(self, words: str) -> None:
        """Say once that the run waits, and why."""
        self._patience = _PATIENCE_IN_LINE
        self._why = no_room(words) or one_line(words)
        if self._settings.show_output and not self._has_told:
            tell(f"Slurm takes no more jobs now: {self._why}. The run waits for room.")
        self._has_told = True

    def _too_late(self) -> QueueTimeout:
        return QueueTimeout(
            f"Slurm had no room for the job for {self._settings.queue_timeout:g} seconds: "
            f"{self._why}.",
            hint="Try again later, or with a longer queue_timeout.",
        )

    def _jobs(self) -> list[str]:
        return jobs_of(self._run_id, self._folder, self._settings.binding)

    def _pyslurm(self) -> str:
        """Submit by pyslurm; where it does not, sbatch does, which never makes two jobs of one."""
        try:
            with _at_once:
                job_id = questions.submit(self._run_id, self._folder, self._settings)
        except questions.ReplyLost as error:
            if not error.died:
                return self._find(str(error))
            return self._search(_SEARCH_AFTER_DEATH) or self._once_more(error)
        except questions.NotTaken as error:
            kind = _NoRoom if error.trouble is Trouble.NO_ROOM else _NotReached
            raise kind(own_words(error.words)) from error
        return job_id or self._sbatch()

    def _once_more(self, lost: questions.ReplyLost) -> str:
        """By sbatch, after pyslurm's process has died and Slurm knows of no job.

        Should one come after all, only one of the two can start the run.
        """
        cancel_jobs_of(self._run_id)
        try:
            return self._sbatch()
        except _NotTaken as error:
            return self._take_back(f"{lost}; {error}")

    def _sbatch(self) -> str:
        arguments = sbatch_arguments(self._run_id, self._folder, self._settings)
        try:
            with _at_once:
                done = slurm_commands.call(arguments)
        except CommandTimeout as error:
            return self._after_timeout(error)
        if done.status != 0:
            return self._after_failure(done.stderr)
        job_id = parse_submission(done.stdout)
        # It has succeeded, so there is a job, in whatever way a site's wrapper tells of it.
        return job_id or self._find(f"sbatch did not say which job it is: {own_words(done.stdout)}")

    def _after_timeout(self, error: CommandTimeout) -> str:
        """sbatch was still trying, and may have succeeded in the moment of its end."""
        trouble = trouble_of(error.stderr)
        if trouble is Trouble.NOT_REACHED:
            return self._take_back(f"{error} {own_words(error.stderr)}")
        if trouble is Trouble.NO_ROOM:
            found = self._jobs()
            if found:
                return self._keep_first(found)
            raise _NoRoom(own_words(error.stderr))
        return self._find(str(error))

    def _srun(self) -> str:
        arguments = srun_arguments(self._run_id, self._folder, self._settings)
        log = self._folder / SLURM_LOG
        child = srun.start(arguments, self._folder, log)
        try:
            return self._job_id_of(child, log)
        except BaseException:
            process.end_group(child)
            raise

    def _job_id_of(self, child: "subprocess.Popen[bytes]", log: Path) -> str:
        """What srun does not tell by itself unless its job has to wait."""
        ask_at = time.monotonic() + _SRUN_ASKS_AFTER
        while True:
            ended = child.poll() is not None
            words = log.read_text(errors="replace")
            job_id = self._directory.started_job() or parse_srun_log(words)
            if job_id is None and not ended and time.monotonic() > ask_at:
                ask_at = time.monotonic() + _SRUN_ASKS_AFTER
                job_id = next(iter(self._jobs()), None)
            if job_id is not None:
                return job_id
            if ended and child.returncode == 0:  # a wrapper went before its job started
                return self._find(own_words(words))
            if ended:
                return self._after_failure(words)
            if no_room(words) is not None:  # it asks again by itself for a while
                self._tell(words)
                if time.monotonic() >= self._give_up:
                    cancel_jobs_of(self._run_id)
                    raise self._too_late()
            time.sleep(_SRUN_POLL)

    def _after_failure(self, stderr: str) -> str:
        words, trouble = own_words(stderr), trouble_of(stderr)
        match trouble:
            case Trouble.REPLY_LOST:
                return self._find(words)
            case Trouble.NOT_REACHED:
                raise _NotReached(words)
            case Trouble.NO_ROOM:
                raise _NoRoom(words)
            case Trouble.REFUSED if not complains(stderr) and (found := self._jobs()):
                return self._keep_first(found)  # a wrapper failed after sbatch had succeeded
        raise error_of(trouble, stderr)

    def _find(self, words: str) -> str:
        """The job whose id did not come back; where there is none, see to it that none can run."""
        job_id = self._search(_SEARCH_SECONDS)
        if job_id is not None:
            return job_id
        cancel_jobs_of(self._run_id)
        return self._take_back(words)

    def _search(self, seconds: float) -> str | None:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            found = self._jobs()
            if found:
                return self._keep_first(found)
            time.sleep(_SEARCH_PAUSE)
        return None

    def _take_back(self, words: str) -> str:
        """See to it that the run cannot start any more; the job's id if it has started already.

        A job that Slurm still starts finds its run taken, and ends.

        Raises:
            SchedulerUnavailable: it has not started.
        """
        if not self._directory.take_back():
            job_id = self._directory.started_job()
            if job_id is not None:
                return job_id
        raise slurm_commands.unavailable(words)

    def _keep_first(self, found: list[str]) -> str:
        first, *others = sorted(found, key=int)
        for job_id in others:
            with suppress(CFiddleSlurmError):
                slurm_commands.ask(["scancel", job_id])
        return first

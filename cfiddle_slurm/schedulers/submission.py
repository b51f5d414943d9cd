"""One run's submission to Slurm, which happens once whatever becomes of Slurm's reply."""

import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.errors import (
    CFiddleSlurmError,
    NodeFailed,
    SchedulerUnavailable,
    SubmissionError,
)
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.process import CommandMissing, CommandTimeout
from cfiddle_slurm.schedulers import slurm_commands
from cfiddle_slurm.schedulers.job_script import (
    JOB_SCRIPT,
    SLURM_LOG,
    job_name,
    sbatch_arguments,
    script_text,
    srun_arguments,
)
from cfiddle_slurm.schedulers.slurm_parse import (
    Trouble,
    failed_node,
    own_words,
    parse_srun_log,
    parse_submission,
    trouble_of,
)
from cfiddle_slurm.settings import Settings

_SEARCH_SECONDS = 15.0
_SEARCH_COMMAND_SECONDS = 5.0
_SEARCH_PAUSE = 0.5
_PATIENCE_SECONDS = 10.0
"""How long a controller that is just being restarted is waited for."""
_PATIENCE_PAUSE = 0.5
_SRUN_POLL = 0.01
_SRUN_ASKS_AFTER = 2.0


class _NotReached(Exception):
    """Slurm was not reached; there is no job, and it may be asked again."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


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

    def submit(self) -> str:
        """Submit it. Returns the job id.

        Raises:
            SubmissionError: Slurm refused it.
            SchedulerUnavailable: Slurm does not answer; no job is left that could run.
            NodeFailed: a worker could not start it; no job is left, either.
            KeyboardInterrupt: after the job was cancelled, if there is one.
        """
        (self._folder / JOB_SCRIPT).write_text(script_text(self._folder))
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._srun() if self._settings.submit == "srun" else self._sbatch()
            except _NotReached as error:
                if time.monotonic() >= give_up:
                    raise slurm_commands.unavailable(error.words) from error
                time.sleep(_PATIENCE_PAUSE)
            except KeyboardInterrupt:
                self._cancel_by_name()
                raise

    def _sbatch(self) -> str:
        arguments = sbatch_arguments(self._run_id, self._folder, self._settings)
        try:
            done = slurm_commands.call(arguments)
        except CommandTimeout as error:
            if trouble_of(error.stderr) is Trouble.NOT_REACHED:
                # It was still trying, and may have succeeded in the moment of its end.
                return self._take_back(f"{error} {own_words(error.stderr)}")
            return self._find(str(error))
        job_id = parse_submission(done.stdout)
        if done.status == 0 and job_id is not None:
            return job_id
        return self._after_failure(done.stderr)

    def _srun(self) -> str:
        arguments = srun_arguments(self._run_id, self._folder, self._settings)
        environment = slurm_commands.command_environment(os.environ)
        log = self._folder / SLURM_LOG
        with log.open("wb") as stream:
            try:
                child = process.start(
                    arguments, stdout=stream, stderr=stream, env=environment, cwd=self._folder
                )
            except CommandMissing as error:
                raise slurm_commands.missing(arguments[0], error) from error
        # It is waited for, so that it does not stay in the process table when it has ended.
        threading.Thread(target=child.wait, name="cfiddle-srun", daemon=True).start()
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
                job_id = next(iter(self._jobs_of_the_name()), None)
            if job_id is not None:
                return job_id
            if ended:
                return self._after_failure(words)
            time.sleep(_SRUN_POLL)

    def _after_failure(self, stderr: str) -> str:
        words = own_words(stderr)
        match trouble_of(stderr):
            case Trouble.REPLY_LOST:
                return self._find(words)
            case Trouble.NOT_REACHED:
                raise _NotReached(words)
            case Trouble.HEAD_FULL:
                raise SchedulerUnavailable(
                    "Slurm cannot write the job down: the disk of the cluster's head is full.",
                    hint="Tell whoever runs the cluster; it is not your experiment's fault.",
                    cause=words,
                )
            case Trouble.NOT_STARTED:
                raise NodeFailed(
                    f"The worker could not start the job: {words}.", node=failed_node(stderr)
                )
            case Trouble.REFUSED:
                raise SubmissionError(
                    f"Slurm refused the job: {words}.",
                    hint="job_script() shows what was submitted.",
                )

    def _find(self, words: str) -> str:
        """The job whose id did not come back; where there is none, see to it that none can run."""
        give_up = time.monotonic() + _SEARCH_SECONDS
        while time.monotonic() < give_up:
            found = self._jobs_of_the_name()
            if found:
                return self._keep_first(found)
            time.sleep(_SEARCH_PAUSE)
        self._cancel_by_name()
        return self._take_back(words)

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

    def _jobs_of_the_name(self) -> list[str]:
        name = f"--name={job_name(self._run_id)}"
        questions = (
            ["squeue", "--noheader", "--states=all", name, "--format=%i"],
            ["sacct", "--allocations", "--noheader", "--parsable2", "--format=JobIDRaw",
             "--starttime=now-1hours", name],
        )  # fmt: skip
        for question in questions:
            with suppress(SchedulerUnavailable):
                answer = slurm_commands.ask(question, timeout=_SEARCH_COMMAND_SECONDS)
                found = [word for word in answer.stdout.split() if word.isdecimal()]
                if answer.status == 0 and found:
                    return found
        return []

    def _cancel_by_name(self) -> None:
        with suppress(SchedulerUnavailable):
            slurm_commands.ask(["scancel", f"--name={job_name(self._run_id)}"])

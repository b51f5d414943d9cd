"""Wait for a run: its file first, Slurm second, and show meanwhile what it prints."""

import codecs
import sys
import time
from typing import Any

from cfiddle_slurm import errors
from cfiddle_slurm.bundle.layout import OUTPUT
from cfiddle_slurm.errors import CFiddleSlurmError
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.notices import tell
from cfiddle_slurm.printable import Live, one_line
from cfiddle_slurm.run.outcomes import error_of_state
from cfiddle_slurm.sandbox.protocol import ProtocolError
from cfiddle_slurm.schedulers.base import JobState, JobStatus, Scheduler
from cfiddle_slurm.schedulers.state_watch import StateWatch
from cfiddle_slurm.settings import Settings

_POLL_SHARE = 0.05
"""Polling slows down so far that it may lengthen a run by this share of its time."""
_GRACE_AFTER_DEATH = 5.0
"""Seconds for the report of a job that did not end by itself: it hardly ever has one."""
_LOST_ANSWERS = 3
"""So many answers in a row must know nothing of a job before it is given up."""
_TELL_WAIT_AFTER = 3.0
_OUTPUT_CHUNK = 1 << 20


class Wait:
    """The wait for one run.

    Args:
        watch: the run's place in the batched queries.
        asked: when the scheduler was asked to take it, on the monotonic clock; now if None.
    """

    def __init__(
        self,
        directory: JobDirectory,
        settings: Settings,
        scheduler: Scheduler,
        watch: StateWatch,
        job_id: str,
        asked: float | None = None,
    ) -> None:
        self._directory = directory
        self._run_id = directory.path.name
        self._settings = settings
        self._scheduler = scheduler
        self._watch = watch
        self._job_id = job_id
        self._output = LiveOutput(directory, shown=settings.show_output)
        self._submitted = time.monotonic()
        self._asked = self._submitted if asked is None else asked
        self._started: float | None = None
        self._dead_since: float | None = None
        self._told = ""

    def for_report(self) -> dict[str, Any]:
        """Return the final report as soon as it is there.

        Raises:
            QueueTimeout: the job did not start in time.
            ResultRejected: what lies in the report's place is none.
            CFiddleSlurmError: the job ended without a report; the class tells why.
        """
        while True:
            self._output.show()
            report = self._report()
            if report is not None:
                self._output.show(to_the_end=True)
                return report
            now = time.monotonic()
            if self._started is None and self._directory.has_started():
                self._started = now
            self._check_queue(now)
            self._check_state(now)
            self._check_lost()
            time.sleep(self._pause(now))

    def _report(self) -> dict[str, Any] | None:
        try:
            return self._directory.report()
        except ProtocolError as error:
            raise errors.ResultRejected(
                f"The run's report cannot be read: {error}", job_id=self._job_id, cause=error
            ) from error

    def _pause(self, now: float) -> float:
        since = self._submitted if self._started is None else self._started
        settings = self._settings
        return min(max(settings.poll_fast, (now - since) * _POLL_SHARE), settings.poll_slow)

    def _check_queue(self, now: float) -> None:
        limit = self._settings.queue_timeout
        if self._started is not None:
            return
        if limit is not None and now - self._asked > limit:
            raise errors.QueueTimeout(
                f"The job did not start within {limit:g} seconds and was cancelled; "
                f"{self._reason()}.",
                hint="Try again later, or with a longer queue_timeout.",
                job_id=self._job_id,
            )
        if now - self._submitted > _TELL_WAIT_AFTER:
            self._tell(f"job {self._job_id}: {self._reason()}")

    def _reason(self) -> str:
        state = self._watch.latest()
        if state is None:
            return self._watch.trouble or "its state is not known"
        return self._scheduler.describe_wait(state)

    def _tell(self, text: str) -> None:
        if self._settings.show_output and text != self._told:
            self._told = text
            tell(text)

    def _check_state(self, now: float) -> None:
        state = self._watch.latest()
        if state is None or not state.status.final or not state.is_of(self._run_id):
            self._dead_since = None
            return
        if self._dead_since is None:
            self._dead_since = now
        self._directory.refresh()
        if now - self._dead_since > self._grace(state) and self._report() is None:
            raise self._ended_without_report(state)

    def _check_lost(self) -> None:
        state = self._watch.latest()
        # A controller that was killed may have forgotten its latest jobs, and give their ids again.
        given_again = state is not None and not state.is_of(self._run_id)
        if not given_again and self._watch.missed() < _LOST_ANSWERS:
            return
        self._directory.refresh()
        if self._report() is None:
            # Should it turn up again, it finds its run taken.
            self._directory.take_back()
            raise errors.JobLost(
                "Slurm has lost the job: its controller was restarted after a failure.",
                job_id=self._job_id,
            )

    def _grace(self, state: JobState) -> float:
        if state.status is JobStatus.COMPLETED:
            return self._settings.result_grace
        return min(_GRACE_AFTER_DEATH, self._settings.result_grace)

    def _ended_without_report(self, state: JobState) -> CFiddleSlurmError:
        trouble = self._directory.trouble()
        if trouble is not None:
            trouble.job_id, trouble.node = self._job_id, state.node
            return trouble
        if state.status is JobStatus.COMPLETED:
            return errors.ResultMissing(
                "The job ended, but its report did not arrive within "
                f"{self._settings.result_grace:g} seconds.",
                hint="Is the jobs directory on a home that all machines share?",
                job_id=self._job_id,
                node=state.node,
            )
        if state.status is JobStatus.CANCELLED and not self._directory.has_started():
            why = self._scheduler.withdrawn(state.node) if state.node is not None else None
            if why is not None:
                return errors.NodeFailed(
                    f"The worker {state.node} could not start the job ({one_line(why)}).",
                    job_id=self._job_id,
                    node=state.node,
                )
        kept = self._directory.path if self._settings.keep_failed else None
        return error_of_state(state, kept)


class LiveOutput:
    """Shows on this process's standard output what the experiment prints, as it is written.

    A terminal obeys none of it but line ends, tabs, backspaces and colours; ``output.log`` has the
    bytes as they are.
    """

    def __init__(self, directory: JobDirectory, *, shown: bool) -> None:
        self._directory = directory
        self._shown = shown
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._live = Live()

    def show(self, *, to_the_end: bool = False) -> None:
        """Show what is new, a bounded piece of it or all of it."""
        while self._shown:
            data = self._directory.output_since(self._offset, _OUTPUT_CHUNK)
            self._offset += len(data)
            last = to_the_end and not data
            text = self._live.shown(self._decoder.decode(data, final=last), final=last)
            if text:
                self._write(text)
            if not to_the_end or not data:
                return

    def _write(self, text: str) -> None:
        """Write to standard output, or, where that takes nothing, have the text kept."""
        try:
            _write(text)
        except (OSError, ValueError, AttributeError) as error:  # full, closed, none at all
            self._shown = False
            self._directory.kept_for = "Standard output takes nothing of what the run prints."
            place = self._directory.path / OUTPUT
            tell(f"standard output takes nothing ({error}); what the run prints is in {place}.")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()

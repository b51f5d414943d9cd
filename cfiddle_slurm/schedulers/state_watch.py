"""Ask the scheduler rarely, once for all runs that this process is waiting for."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.schedulers.base import JobState, Scheduler, advance


class StateWatcher:
    """Knows the states of the jobs that are being waited for.

    Whoever finds the news too old starts one question for all, in a thread of its own that ends
    with the answer: no wait is ever held up by a slow Slurm, and no thread outlives the waits.

    Args:
        scheduler: who is asked.
        interval: seconds between two questions.

    Attributes:
        trouble: why the latest question was not answered, or None.
    """

    def __init__(self, scheduler: Scheduler, interval: float) -> None:
        self.interval = interval
        self.trouble: str | None = None
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._states: dict[str, JobState] = {}
        self._missed: Counter[str] = Counter()
        self._asked = 0.0

    @contextmanager
    def watching(self, job_id: str) -> Iterator["StateWatch"]:
        """Include a job in the questions for as long as the ``with`` block lasts."""
        with self._lock:
            if not self._waiting:
                self._asked = time.monotonic()
            self._waiting[job_id] += 1
        try:
            yield StateWatch(self, job_id)
        finally:
            with self._lock:
                self._waiting[job_id] -= 1
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
                    self._states.pop(job_id, None)
                    del self._missed[job_id]

    def latest(self, job_id: str) -> JobState | None:
        """What is known of a job; starts a question when that is too old."""
        if time.monotonic() - self._asked >= self.interval and self._asking.acquire(blocking=False):
            try:
                threading.Thread(
                    target=self._ask_quietly, name="cfiddle-states", daemon=True
                ).start()
            except RuntimeError:  # no more threads to be had: the next look asks again
                self._asking.release()
        return self._states.get(job_id)

    def missed(self, job_id: str) -> int:
        """How many answers in a row have known nothing of a job."""
        return self._missed[job_id]

    def refresh(self, job_id: str, timeout: float) -> JobState | None:
        """Ask now. Returns the job's state, or None when the scheduler does not know the job.

        Raises:
            SchedulerUnavailable: nobody answers.
        """
        if not self._asking.acquire(timeout=timeout):
            raise SchedulerUnavailable(f"The scheduler gave no answer for {timeout:g} seconds.")
        try:
            return self._states.get(job_id) if job_id in self._ask() else None
        finally:
            self._asking.release()

    def _ask_quietly(self) -> None:
        try:
            self._ask()
        except SchedulerUnavailable as error:
            self.trouble = error.message
        finally:
            self._asking.release()

    def _ask(self) -> dict[str, JobState]:
        with self._lock:
            wanted = sorted(self._waiting)
        try:
            found = self._scheduler.states(wanted) if wanted else {}
        finally:
            self._asked = time.monotonic()
        with self._lock:
            for job_id in set(found) & set(self._waiting):
                self._states[job_id] = advance(self._states.get(job_id), found[job_id])
                del self._missed[job_id]
            self._missed.update(set(wanted) & set(self._waiting) - set(found))
        self.trouble = None
        return found


class StateWatch:
    """One job's view of the watcher."""

    def __init__(self, watcher: StateWatcher, job_id: str) -> None:
        self._watcher = watcher
        self._job_id = job_id

    @property
    def trouble(self) -> str | None:
        """Why the scheduler did not answer when it was asked last, or None."""
        return self._watcher.trouble

    def latest(self) -> JobState | None:
        """The job's latest known state; None while nothing is known."""
        return self._watcher.latest(self._job_id)

    def missed(self) -> int:
        """How many answers in a row have known nothing of the job."""
        return self._watcher.missed(self._job_id)

    def refresh(self, timeout: float) -> JobState | None:
        """As :meth:`StateWatcher.refresh`."""
        return self._watcher.refresh(self._job_id, timeout)

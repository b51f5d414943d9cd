"""What the conversations on one node share: the policy, the one slot, the runs that are alive."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cfiddle_slurm.sandbox.daemon.container_config import Place
from cfiddle_slurm.sandbox.daemon.engine import Engine, EngineAddress, EngineError
from cfiddle_slurm.sandbox.daemon.job_registry import Registry
from cfiddle_slurm.sandbox.daemon.readiness import Readiness, try_sandbox
from cfiddle_slurm.sandbox.policy import Policy

RELEASE_SECONDS = 9.0
"""Below the 10 s after which an Epilog's client gives up."""
SWEEP_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""Between two looks whether a run could be executed; there are none while one is."""
DOUBT_SECONDS = 1.0
"""Between a run that failed and a look, since its caller is answered first; and between two looks
until one goes well."""
_STEP_SECONDS = 0.1


class Busy(Exception):
    """Another experiment kept the node."""


class Gone(Exception):
    """The caller left, or was told to, while it waited."""


class Run:
    """A run that is alive on this node, waiting or executing; any thread may end it.

    Attributes:
        stopped: why it is to end, a sentence for the user; None as long as it is not.
        wake: an eventfd, which is written then.
        is_leaving: whether its experiment has ended by itself, so that its container need only be
            removed.
    """

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.stopped: str | None = None
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.is_leaving = False

    def stop(self, reason: str) -> None:
        """End it, if nobody has."""
        if self.stopped is None:
            self.stopped = reason
            os.eventfd_write(self.wake, 1)


class Node:
    """The state that all conversations share.

    Args:
        place: what all sandboxes here have in common.
        administrator: the uid that may release jobs, and whose registrations count.
        readiness: where it is said whether a run could be executed.
    """

    def __init__(
        self,
        policy: Policy,
        registry: Registry,
        address: EngineAddress,
        place: Place,
        administrator: int,
        readiness: Readiness,
        make_engine: Callable[[EngineAddress], Engine] = Engine,
    ) -> None:
        self.policy = policy
        self.registry = registry
        self.address = address
        self.place = place
        self.administrator = administrator
        self.readiness = readiness
        self._make_engine = make_engine
        self._slot = threading.Lock()
        self._free = threading.Event()  # set while nobody has the slot
        self._free.set()
        self._runs: set[Run] = set()
        self._changed = threading.Condition()
        self._stopping: str | None = None
        self.untidy = threading.Event()
        """Set while containers may be left behind, for :meth:`tidy` to look after."""

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """A connection to the engine for the calling thread."""
        engine = self._make_engine(self.address)
        try:
            yield engine
        finally:
            engine.close()

    @contextmanager
    def alive(self, job_id: str) -> Iterator[Run]:
        """A run for as long as it is alive, so that others can end it."""
        run = Run(job_id)
        with self._changed:
            self._runs.add(run)
            if self._stopping is not None:
                run.stop(self._stopping)
        try:
            yield run
        finally:
            with self._changed:
                self._runs.discard(run)
                os.close(run.wake)
                self._changed.notify_all()

    def leave(self, run: Run) -> None:
        """A run's experiment has ended by itself, and its container is being removed."""
        with self._changed:
            run.is_leaving = True
            self._changed.notify_all()

    @contextmanager
    def slot(self, seconds: float, gone: Callable[[], bool]) -> Iterator[None]:
        """The node for one experiment alone.

        Args:
            seconds: how long to wait for it.
            gone: whether waiting has become useless.

        Raises:
            Busy: another experiment kept it.
            Gone: waiting has become useless.
        """
        deadline = time.monotonic() + seconds
        while not self._slot.acquire(timeout=_STEP_SECONDS):
            if gone():
                raise Gone
            if time.monotonic() >= deadline:
                raise Busy
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()  # before the release: the next to have the slot takes it back
            self._slot.release()

    def release(self, job_id: str) -> str | None:
        """End what is left of a job.

        The removal of a container whose experiment has ended by itself is not waited for: Slurm may
        get the next job ready meanwhile, whose container is not started before that.

        Returns:
            None when nothing is left, else a sentence about what is.
        """
        deadline = time.monotonic() + RELEASE_SECONDS
        with self._changed:
            for run in self._of_job(job_id):
                run.stop("The job ended before the experiment.")
            gone = self._changed.wait_for(
                lambda: all(run.is_leaving for run in self._of_job(job_id)), RELEASE_SECONDS
            )
            leaving = bool(self._of_job(job_id))
        if gone and leaving:
            return None
        if not gone:
            return f"Job {job_id} still has a run after {RELEASE_SECONDS:g} s."
        try:
            with self.engine() as engine:
                while time.monotonic() < deadline:
                    left = engine.leftovers(job_id)
                    if not left:
                        return None
                    for container in left:
                        engine.remove(container)
        except EngineError as error:
            self.untidy.set()
            return str(error)
        return f"Job {job_id} still has a sandbox after {RELEASE_SECONDS:g} s."

    def _of_job(self, job_id: str) -> list[Run]:
        return [run for run in self._runs if run.job_id == job_id]

    def finish(self, seconds: float) -> bool:
        """Wait for the present runs to end by themselves; whether they did in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, seconds)

    def stop_all(self, reason: str, seconds: float) -> bool:
        """End every run, and refuse new ones; whether all were gone in time."""
        with self._changed:
            self._stopping = reason
            for run in self._runs:
                run.stop(reason)
            return self._changed.wait_for(lambda: not self._runs, seconds)

    def sweep(self) -> None:
        """Remove all containers that no run owns; if the engine fails, leave it to :meth:`tidy`."""
        self.untidy.clear()
        # Whoever holds the slot is the only one who can own a container.
        slot = self.slot(self.policy.wall_seconds, lambda: self._stopping is not None)
        try:
            with slot, self.engine() as engine:
                left = engine.leftovers()
                for container in left:
                    engine.remove(container)
        except (EngineError, Busy) as error:
            self.untidy.set()
            log(f"orphans could not be swept: {error}")
        except Gone:
            return
        else:
            if left:
                log(f"{len(left)} orphaned sandboxes removed")

    def tidy(self, stop: threading.Event) -> None:
        """Sweep, again and again while the engine fails, whenever there may be leftovers; and see
        whether a run could be executed.

        It sleeps while an experiment has the node: nothing of this could be done, and whoever wakes
        disturbs what is measured.
        """
        while not stop.is_set():
            self._sleep_till_needed(stop)
            self._free.wait()
            if stop.is_set():
                return
            if self.untidy.is_set():
                self.sweep()
            self.look()

    def _sleep_till_needed(self, stop: threading.Event) -> None:
        if self.untidy.is_set():
            stop.wait(SWEEP_SECONDS)  # the last sweep failed
        elif self.untidy.wait(DOUBT_SECONDS if self.readiness.doubtful else LOOK_SECONDS):
            stop.wait(DOUBT_SECONDS)

    def fail(self, error: EngineError) -> None:
        """A run could not be executed, because this machine cannot."""
        self.untidy.set()
        self.readiness.fail(error.cause)

    def look(self) -> None:
        """See whether a run could be executed now, unless one is."""
        try:
            with self.slot(0.0, lambda: self._stopping is not None):
                before, now = self.readiness.cause, self._trouble()
                self.readiness.say(now)
        except (Busy, Gone):
            return
        if now != before:
            log(f"not ready: {now}" if now is not None else "ready again")

    def _trouble(self) -> str | None:
        full = self.readiness.disk_trouble(self.policy.free_bytes)
        if full is not None:
            return full
        try:
            with self.engine() as engine:
                for image in self.policy.images:
                    engine.check(image)
                if self.readiness.doubtful:
                    try_sandbox(engine, self.policy, self.place)
        except EngineError as error:
            return error.cause
        self.readiness.doubtful = False
        return None


def log(text: str) -> None:
    """One line for the administrator."""
    print(f"cfiddle-sandboxd: {text}", file=sys.stderr, flush=True)

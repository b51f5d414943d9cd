"""One run's conversation with its caller, from the HELLO to the last word."""

import platform
import select
import socket
import time
from typing import TYPE_CHECKING, Any

from cfiddle_slurm._version import __version__
from cfiddle_slurm.sandbox.daemon.container_config import create_arguments
from cfiddle_slurm.sandbox.daemon.engine import Container, Engine, EngineError
from cfiddle_slurm.sandbox.daemon.job_registry import NotRegistered
from cfiddle_slurm.sandbox.daemon.node import Busy, Gone, Node, Run, log
from cfiddle_slurm.sandbox.daemon.process_watch import ProcessWatch, read_tasks
from cfiddle_slurm.sandbox.daemon.pump import Counts, Ended, Pump
from cfiddle_slurm.sandbox.daemon.request import BadRequest, Request, parse_hello, suited
from cfiddle_slurm.sandbox.daemon.verdict import (
    MAYBE_MEMORY,
    End,
    Evidence,
    State,
    Usage,
    is_machines_fault,
    judge,
)
from cfiddle_slurm.sandbox.guest.machine import counters_need_capability
from cfiddle_slurm.sandbox.protocol import ACCEPTED, STATUS, OutcomeKind, json_frame
from cfiddle_slurm.sandbox.status import final, measured, outcome

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest, Outcome, Status

FIRST_FRAME_SECONDS = 10.0
"""How long a caller may take for its first frame, or for taking a short answer."""


class Conversation:
    """A HELLO and what follows it."""

    def __init__(self, connection: socket.socket, uid: int, node: Node) -> None:
        self._connection = connection
        self._uid = uid
        self._node = node
        self._stages = {"asked": time.monotonic()}
        self._request: Request | None = None
        self._container: str | None = None
        self._usage = Usage()
        self._counts = Counts()
        self._rest = b""
        self._has_said = False

    def hold(self, hello: dict[str, Any]) -> None:
        """Check the request, execute the run, say how it ended."""
        node = self._node
        try:
            request = parse_hello(hello, node.policy)
            node.registry.check(request.job_id, self._uid)
        except (BadRequest, NotRegistered) as error:
            said = outcome(OutcomeKind.REFUSED, str(error))
            self._say(said)
        else:
            self._request = request
            # Alive until the last word is said: sandboxd does not stop in between.
            with node.alive(request.job_id) as run:
                said = self._attempt(request, run)
                self._say(said)
        self._log(said)

    def _attempt(self, request: Request, run: Run) -> "Outcome":
        """The run's outcome, whatever becomes of it."""
        try:
            return self._take_turn(request, run)
        except NotRegistered as error:
            return outcome(OutcomeKind.REFUSED, str(error))
        except Gone:
            return outcome(OutcomeKind.CANCELLED, run.stopped or "The caller left while it waited.")
        except Busy:
            return outcome(
                OutcomeKind.BUSY, "Another experiment is running on the node, which takes one only."
            )
        except EngineError as error:
            # Before the answer: the job's end is what lets the next one come.
            self._node.fail(error)
            return outcome(OutcomeKind.UNAVAILABLE, str(error))

    def _take_turn(self, request: Request, run: Run) -> "Outcome":
        node = self._node

        def useless() -> bool:
            return run.stopped is not None or _has_left(self._connection)

        with node.slot(node.policy.busy_wait_seconds, useless):
            # It may have waited: the job's end must not be missed in between.
            node.registry.check(request.job_id, self._uid)
            self._reach("turn")
            with node.engine() as engine:
                self._request = request = suited(request, engine)
                return self._execute(request, run, engine)

    def _execute(self, request: Request, run: Run, engine: Engine) -> "Outcome":
        node = self._node
        arguments = create_arguments(
            node.policy, request.limits, node.place, request.run_id, request.job_id,
            node.address.instance,
            # Asked each time: an administrator may change it.
            perfmon=counters_need_capability(),
        )  # fmt: skip
        container = engine.create(arguments, request.run_id)
        try:
            self._container = container.short_id
            self._reach("created")
            container.start()
            self._reach("started")
            self._accept(container, request)
            said = self._pump(container, request, run)
            if self._counts.guest is not None:
                # The experiment's processes are gone already; removing what is left of the
                # container need not delay the results.
                self._say(said)
                node.leave(run)
        finally:
            self._remove(container)
        return said

    def _reach(self, stage: str) -> None:
        """Note when a stage of the run is reached, on the monotonic clock."""
        self._stages[stage] = time.monotonic()

    def _remove(self, container: Container) -> None:
        try:
            container.remove()
        except EngineError as error:
            self._node.untidy.set()
            log(f"container={container.short_id}: {error}")

    def _accept(self, container: Container, request: Request) -> None:
        accepted = {
            "container": container.short_id,
            "image": request.limits.image,
            "cores": self._node.place.cores,
        }
        try:
            self._connection.settimeout(FIRST_FRAME_SECONDS)
            self._connection.sendall(json_frame(ACCEPTED, accepted))
        except OSError:
            return  # the pump will notice

    def _pump(self, container: Container, request: Request, run: Run) -> "Outcome":
        node = self._node
        watch = ProcessWatch(node.policy.processes, read_tasks, lambda: container.usage().processes)

        def tick(now: float, running: bool) -> None:
            if not node.registry.holds(request.job_id, self._uid):
                raise Ended(End.STOPPED, "The job ended before the experiment.")
            if running and watch.tick(now):
                raise Ended(End.PROCESSES)

        def at_first_word() -> None:
            # While the guest packs the results: nothing has to wait for the engine's answer.
            self._usage = container.usage()

        pump = Pump(
            self._connection,
            container.socket,
            run.wake,
            node.policy,
            request.limits,
            tick=tick,
            at_first_word=at_first_word,
        )
        ended = pump.run()
        self._reach("ended")
        self._counts, self._rest = pump.counts, pump.to_caller.take()
        guest = pump.counts.guest
        evidence = Evidence(
            ended.end,
            guest,
            self._usage,
            _state_if_needed(ended.end, guest, container),
            watch.at_limit,
            ended.detail or run.stopped or "",
        )
        if guest is None:
            # Ended from outside: what it had used until then is of interest all the same.
            self._usage = container.usage()
        if is_machines_fault(evidence):
            node.fail(EngineError("the sandbox ended without a word"))
        return judge(evidence, node.policy, request.limits)

    def _say(self, said: "Outcome") -> None:
        if self._has_said:
            return
        self._has_said = True
        try:
            self._connection.settimeout(self._node.policy.progress_seconds)
            self._connection.sendall(self._rest + json_frame(STATUS, self._status(said)))
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # nobody listens any more

    def _status(self, said: "Outcome") -> "Status":
        request, counts, stages = self._request, self._counts, self._stages
        started = stages.get("started")
        return final(
            said,
            run_id=request.run_id if request is not None else None,
            container=self._container,
            image=request.limits.image if request is not None else None,
            cores=self._node.place.cores if self._container is not None else None,
            measured=measured(
                counts.guest,
                wall_seconds=counts.run_seconds,
                startup_seconds=None if started is None else started - stages["asked"],
                container_cpu_seconds=self._usage.cpu_seconds,
                memory_peak_bytes=self._usage.memory_peak,
            ),
            guest=counts.guest,
            stages={**stages, **counts.stages},
            versions={
                "cfiddle_slurm": __version__,
                "docker": self._node.address.engine_version,
                "kernel": platform.release(),
            },
        )

    def _log(self, said: "Outcome") -> None:
        request = self._request
        log(
            f"uid={self._uid} job={request.job_id if request else '-'}"
            f" run={request.run_id if request else '-'}"
            f" container={self._container or '-'} kind={said['kind']}"
            f" seconds={time.monotonic() - self._stages['asked']:.2f}"
        )


def _state_if_needed(end: End, guest: "Guest | None", container: Container) -> State | None:
    """Asking costs milliseconds: only where the answer can change the outcome."""
    if end is End.STREAM_ENDED:
        return container.state_at_end()
    maybe_memory = guest is not None and guest["outcome"]["kind"] in MAYBE_MEMORY
    return container.state() if maybe_memory else None


def _has_left(connection: socket.socket) -> bool:
    """Whether the other side hung up, however much of what it sent is still unread."""
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))

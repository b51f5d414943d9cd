"""One conversation with a caller, from its first frame to the last word."""

import platform
import socket
import time
from typing import TYPE_CHECKING, Any

from cfiddle_slurm._version import __version__
from cfiddle_slurm.sandbox.daemon.account import Facts
from cfiddle_slurm.sandbox.daemon.callers import (
    FIRST_FRAME_SECONDS,
    caller_left,
    give_answer,
    receive_question,
)
from cfiddle_slurm.sandbox.daemon.container_config import create_arguments
from cfiddle_slurm.sandbox.daemon.container_handle import Container
from cfiddle_slurm.sandbox.daemon.editions import suited
from cfiddle_slurm.sandbox.daemon.engine import Engine
from cfiddle_slurm.sandbox.daemon.engine_address import EngineError
from cfiddle_slurm.sandbox.daemon.job_registry import NotRegistered
from cfiddle_slurm.sandbox.daemon.node import Busy, Gone, Node, Run, log
from cfiddle_slurm.sandbox.daemon.process_watch import ProcessWatch, read_tasks
from cfiddle_slurm.sandbox.daemon.pump import Ended, Pump
from cfiddle_slurm.sandbox.daemon.request import BadRequest, Request, parse_hello, parse_job_id
from cfiddle_slurm.sandbox.daemon.verdict import (
    End,
    Evidence,
    State,
    is_machines_fault,
    judge,
)
from cfiddle_slurm.sandbox.guest.machine import counters_need_capability
from cfiddle_slurm.sandbox.protocol import (
    ACCEPTED,
    PING,
    RELEASE,
    STATUS,
    OutcomeKind,
    ProtocolError,
    json_frame,
)
from cfiddle_slurm.sandbox.status import final, measured, outcome

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest, Outcome, Status

_MAYBE_OOM = frozenset(("signal", "exited", "guest_error"))


def converse(connection: socket.socket, uid: int, node: Node) -> None:
    """Answer a caller; close the connection whatever happens."""
    with connection:
        try:
            kind, question = receive_question(connection, FIRST_FRAME_SECONDS)
        except ProtocolError as error:
            give_answer(connection, outcome(OutcomeKind.REFUSED, str(error)))
            return
        except OSError:
            return  # it left, or said nothing in time: nobody to answer
        if kind == PING:
            give_answer(connection, _ping(node))
        elif kind == RELEASE:
            give_answer(connection, _release(question, uid, node))
        else:
            Conversation(connection, uid, node).hold(question)


def _ping(node: Node) -> "Outcome":
    try:
        with node.engine() as engine:
            engine.check(node.policy.images[0])
    except EngineError as error:
        return outcome(OutcomeKind.UNAVAILABLE, str(error))
    return outcome(OutcomeKind.OK, f"sandboxd {__version__} is ready.")


def _release(question: dict[str, Any], uid: int, node: Node) -> "Outcome":
    if uid != node.administrator:
        return outcome(OutcomeKind.REFUSED, "Only the administrator may release a job.")
    try:
        left = node.release(parse_job_id(question))
    except BadRequest as error:
        return outcome(OutcomeKind.REFUSED, str(error))
    if left is not None:
        return outcome(OutcomeKind.UNAVAILABLE, left)
    return outcome(OutcomeKind.OK, "Nothing is left of the job.")


class Conversation:
    """A HELLO and what follows it."""

    def __init__(self, connection: socket.socket, uid: int, node: Node) -> None:
        self._connection = connection
        self._uid = uid
        self._node = node
        self._began = time.monotonic()
        self._facts = Facts()
        self._facts.stages["asked"] = self._began
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
            self._facts.request = request
            # Alive until the last word is said: sandboxd does not stop in between.
            with node.alive(request.job_id, self._uid) as run:
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
            reason = run.stopper.reason or "The caller left while it waited."
            return outcome(OutcomeKind.CANCELLED, reason)
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
            return run.stopper.reason is not None or caller_left(self._connection)

        with node.slot(node.policy.busy_wait_seconds, useless):
            # It may have waited: the job's end must not be missed in between.
            node.registry.check(request.job_id, self._uid)
            self._facts.reach("turn")
            with node.engine() as engine:
                self._facts.request = request = suited(request, engine)
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
            self._facts.container = container.short_id
            self._facts.reach("created")
            container.start()
            self._facts.reach("started")
            self._facts.startup_seconds = time.monotonic() - self._began
            self._accept(container, request)
            said = self._pump(container, request, run)
            if self._facts.counts.guest is not None:
                # The experiment's processes are gone already; removing what is left of the
                # container need not delay the results.
                self._say(said)
                node.leave(run)
        finally:
            self._remove(container)
        return said

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
            self._facts.usage = container.usage()

        pump = Pump(
            self._connection,
            container.socket,
            run.stopper.wake,
            node.policy,
            request.limits,
            tick=tick,
            at_first_word=at_first_word,
        )
        ended = pump.run()
        self._facts.reach("ended")
        self._facts.counts, self._rest = pump.counts, pump.to_caller.take()
        detail = ended.detail or run.stopper.reason or ""
        evidence = Evidence(
            ended.end,
            pump.counts.guest,
            self._facts.usage,
            _state_if_needed(ended.end, pump.counts.guest, container),
            watch.at_limit,
            detail,
        )
        if pump.counts.guest is None:
            # Ended from outside: what it had used until then is of interest all the same.
            self._facts.usage = container.usage()
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
        facts, request = self._facts, self._facts.request
        guest = facts.counts.guest
        return final(
            said,
            run_id=request.run_id if request is not None else None,
            container=facts.container,
            image=request.limits.image if request is not None else None,
            cores=self._node.place.cores if facts.container is not None else None,
            measured=measured(
                guest,
                wall_seconds=facts.counts.run_seconds,
                startup_seconds=facts.startup_seconds,
                container_cpu_seconds=facts.usage.cpu_seconds,
                memory_peak_bytes=facts.usage.memory_peak,
            ),
            guest=guest,
            stages={**facts.stages, **facts.counts.stages},
            versions={
                "cfiddle_slurm": __version__,
                "docker": self._node.address.engine_version,
                "kernel": platform.release(),
            },
        )

    def _log(self, said: "Outcome") -> None:
        request = self._facts.request
        log(
            f"uid={self._uid} job={request.job_id if request else '-'}"
            f" run={request.run_id if request else '-'}"
            f" container={self._facts.container or '-'} kind={said['kind']}"
            f" seconds={time.monotonic() - self._began:.2f}"
        )


def _state_if_needed(end: End, guest: "Guest | None", container: Container) -> State | None:
    """Asking costs milliseconds: only where the answer can change the outcome."""
    if end is End.STREAM_ENDED:
        return container.state_at_end()
    maybe_oom = guest is not None and guest["outcome"]["kind"] in _MAYBE_OOM
    return container.state() if maybe_oom else None

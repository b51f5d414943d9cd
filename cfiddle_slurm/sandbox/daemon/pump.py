"""Passes bytes between a caller and a container until something ends the run.

One thread, one poll(2): bundle frames go in, output and results come out, neither side can make
this one hold more than a few frames, and clocks, registration and hang-ups are noticed meanwhile.
"""

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from cfiddle_slurm.sandbox.daemon.phases import Course, Phase
from cfiddle_slurm.sandbox.daemon.streams import STDOUT, Echo, EngineStream, FrameStream, Outbox
from cfiddle_slurm.sandbox.daemon.verdict import End
from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.protocol import DATA, END, OUTPUT, RESULT, STATUS, ProtocolError, header
from cfiddle_slurm.sandbox.status import parse_guest_status

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest

READ_BYTES = 256 << 10
BACKLOG_BYTES = 1 << 20
"""With more than this waiting for one side, the other is not read."""
TICK_SECONDS = 1.0
_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP


class Ended(Exception):
    """The run is over."""

    def __init__(self, end: End, detail: str = "") -> None:
        super().__init__(detail)
        self.end = end
        self.detail = detail


@dataclass
class Counts:
    """What went through. Sizes in bytes, times in seconds."""

    bundle_bytes: int = 0
    output_bytes: int = 0
    result_bytes: int = 0
    run_seconds: float = 0.0
    guest: "Guest | None" = None
    stages: dict[str, float] = field(default_factory=dict)
    """When it reached which stage, on the monotonic clock."""


class Pump:
    """One run's traffic.

    Args:
        caller: the socket of the job's side.
        container: the attached stream.
        wake: an eventfd; once written, the run is stopped.
        tick: called about every second, with the monotonic time and whether the experiment is
            running; raises :class:`Ended` to end the run.
        at_first_word: called once when the guest begins to answer: the experiment's processes are
            gone, the guest is still there and has yet to send what they left.
    """

    def __init__(
        self,
        caller: socket.socket,
        container: socket.socket,
        wake: int,
        policy: Policy,
        limits: Limits,
        *,
        tick: Callable[[float, bool], None],
        at_first_word: Callable[[], None],
    ) -> None:
        self._caller, self._container, self._wake = caller, container, wake
        self._policy = policy
        self._tick, self._at_first_word = tick, at_first_word
        self.to_caller, self._to_guest = Outbox(), Outbox()
        self._from_caller = FrameStream(frozenset((DATA, END)))
        self._from_engine = EngineStream()
        self._from_guest = FrameStream(frozenset((RESULT, STATUS)))
        self.counts = Counts()
        self._course = Course(policy, limits, time.monotonic())
        self._bundle_ended = False
        self._echo: Echo | None = None

    def run(self) -> Ended:
        """Pass bytes until the end; what is still in ``to_caller`` is the taker's to send."""
        self._caller.setblocking(False)
        self._container.setblocking(False)
        try:
            try:
                self._loop()
            finally:
                self._put_output(b"" if self._echo is None else self._echo.rest())
        except Ended as error:
            ended = error
        self.counts.run_seconds = self._course.run_seconds(time.monotonic())
        return ended

    def _loop(self) -> NoReturn:
        next_tick = time.monotonic() + TICK_SECONDS
        while True:
            poller = self._poller()
            timeout = max(0.0, min(next_tick, self._deadline()[0]) - time.monotonic())
            for descriptor, events in poller.poll(timeout * 1000 + 1):
                if descriptor == self._wake:
                    raise Ended(End.STOPPED)
                if descriptor == self._caller.fileno():
                    self._serve_caller(events)
                else:
                    self._serve_container(events)
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + TICK_SECONDS
                self._tick(now, self._course.phase is Phase.RUNNING)
            deadline, end = self._deadline()
            if now >= deadline:
                if end is End.CALLER_SILENT and self._to_guest.size >= BACKLOG_BYTES:
                    raise Ended(End.BAD_GUEST, "The sandbox stopped taking its inputs.")
                raise Ended(end)

    def _poller(self) -> select.poll:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        # A hang-up is always reported, also while nothing is read: it ends the run at once.
        wanted = select.POLLRDHUP
        if self._to_guest.size < BACKLOG_BYTES:
            wanted |= select.POLLIN
        if self.to_caller.size:
            wanted |= select.POLLOUT
        poller.register(self._caller, wanted)
        wanted = select.POLLOUT if self._to_guest.size else 0
        if self.to_caller.size < BACKLOG_BYTES:
            wanted |= select.POLLIN
        if wanted:
            # Unregistered otherwise: an ended container would be reported again and again.
            poller.register(self._container, wanted)
        return poller

    def _deadline(self) -> tuple[float, End]:
        return self._course.deadline(unsent=self.to_caller.size > 0)

    def _serve_caller(self, events: int) -> None:
        if events & _GONE:
            raise Ended(End.CALLER_LEFT)
        try:
            if events & select.POLLOUT:
                before = self.to_caller.size
                self.to_caller.send(self._caller)
                if self.to_caller.size < before:
                    self._course.progress(time.monotonic())
            if events & select.POLLIN:
                self._take_bundle(self._caller.recv(READ_BYTES))
        except BlockingIOError:
            return
        except OSError:
            raise Ended(End.CALLER_LEFT) from None

    def _take_bundle(self, data: bytes) -> None:
        if not data:
            raise Ended(End.CALLER_LEFT)
        self._course.progress(time.monotonic())
        try:
            for kind, payload in self._from_caller.feed(data):
                if self._bundle_ended:
                    raise ProtocolError("The caller goes on after the end of its bundle.")
                self.counts.bundle_bytes += len(payload)
                if self.counts.bundle_bytes > self._policy.bundle_bytes:
                    raise Ended(End.BUNDLE_LIMIT)
                self._to_guest.put(header(kind, len(payload)), payload)
                self._bundle_ended = kind == END
        except ProtocolError as error:
            raise Ended(End.BAD_CALLER, str(error)) from None

    def _serve_container(self, events: int) -> None:
        if events & select.POLLOUT and self._to_guest.size:
            self._send_to_guest()
        # A hang-up may come with bytes still to be read: reading comes first and finds the end.
        if events & (select.POLLIN | _GONE) and self.to_caller.size < BACKLOG_BYTES:
            try:
                self._take_from_engine(self._container.recv(READ_BYTES))
            except BlockingIOError:
                return
            except OSError:
                self._take_from_engine(b"")

    def _send_to_guest(self) -> None:
        try:
            self._to_guest.send(self._container)
        except OSError:
            self._to_guest.take()  # the container is ending, and its stream will say so
        if self._bundle_ended and not self._to_guest.size:
            now = time.monotonic()
            if self._course.enter(Phase.RUNNING, now):
                self.counts.stages["bundle"] = now

    def _take_from_engine(self, data: bytes) -> None:
        if not data:
            is_done = self._course.phase is Phase.FAREWELL
            raise Ended(End.GUEST_DONE if is_done else End.STREAM_ENDED)
        try:
            for stream, part in self._from_engine.feed(data):
                if stream == STDOUT:
                    self._take_from_guest(part)
                else:
                    self._take_output(part)
        except ProtocolError as error:
            raise Ended(End.BAD_GUEST, str(error)) from None

    def _take_output(self, part: memoryview) -> None:
        self._put_output(part if self._echo is None else self._echo.take(part))
        if self._echo is not None and self._echo.heard:
            raise Ended(End.GUEST_DONE)

    def _put_output(self, part: bytes | memoryview) -> None:
        room = self._policy.output_bytes - self.counts.output_bytes
        shown = bytes(part[:room])
        if shown:
            self.to_caller.put(header(OUTPUT, len(shown)), shown)
            self.counts.output_bytes += len(shown)
        if len(part) > room:
            raise Ended(End.OUTPUT_LIMIT)

    def _take_from_guest(self, part: memoryview) -> None:
        for kind, payload in self._from_guest.feed(part):
            if self._course.phase is Phase.FAREWELL:
                raise ProtocolError("The guest goes on after its status.")
            now = time.monotonic()
            if self._course.enter(Phase.RESULTS, now):
                self._at_first_word()
            if kind == STATUS:
                self.counts.stages["status"] = now
                self._say_farewell(payload)
                continue
            self.counts.stages.setdefault("first_result", now)
            self.counts.stages["last_result"] = now
            self.counts.result_bytes += len(payload)
            if self.counts.result_bytes > self._policy.result_bytes:
                raise Ended(End.RESULT_LIMIT)
            self.to_caller.put(header(RESULT, len(payload)), payload)

    def _say_farewell(self, payload: bytes) -> None:
        self.counts.guest = parse_guest_status(payload)
        self._course.enter(Phase.FAREWELL, time.monotonic())
        # Output and status come through different pipes: only the guest's echo, or the end of the
        # stream after it saw its stdin end, says that all output has come.
        try:
            if not self._to_guest.size:
                self._echo = Echo()
                self._container.send(self._echo.frame())
            self._container.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has ended already

"""The pump, between two socket pairs: every end, and bounded memory."""

import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cfiddle_slurm.sandbox.daemon import phases
from cfiddle_slurm.sandbox.daemon import pump as pump_module
from cfiddle_slurm.sandbox.daemon.node import Run
from cfiddle_slurm.sandbox.daemon.pump import BACKLOG_BYTES, Ended, Pump
from cfiddle_slurm.sandbox.daemon.streams import STDERR, STDOUT, Outbox
from cfiddle_slurm.sandbox.daemon.verdict import End
from cfiddle_slurm.sandbox.policy import MIB, Limits, Policy
from cfiddle_slurm.sandbox.protocol import (
    DATA,
    END,
    OUTPUT,
    PING,
    RESULT,
    STATUS,
    header,
    read_frame,
)
from tests.patience import wait_until

POLICY = Policy(
    output_bytes=100_000, result_bytes=50_000, bundle_bytes=3 * MIB, progress_seconds=0.4
)
LIMITS = Limits("a", 1 << 30, 0.5, 1)
GOOD_STATUS = json.dumps({"outcome": {"kind": "ok"}}).encode()


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return header(kind, len(payload)) + payload


def piece(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


class Stage:
    """A pump between a caller and a container, both played by the test."""

    def __init__(self) -> None:
        self.caller, self._caller_end = socket.socketpair()
        self.container, self._container_end = socket.socketpair()
        self.run = Run("5")
        self.policy, self.limits = POLICY, LIMITS
        self.ticks: list[bool] = []
        self.first_words = 0
        self.end_at_tick: Ended | None = None
        self.ended: Ended | None = None
        self.pump: Pump | None = None
        for end in (self.caller, self.container):
            end.settimeout(5)

    def start(self) -> None:
        self.pump = Pump(
            self._caller_end, self._container_end, self.run.wake, self.policy, self.limits,
            tick=self._tick, at_first_word=self._first_word,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self.pump is not None
        self.ended = self.pump.run()

    def _tick(self, now: float, running: bool) -> None:
        self.ticks.append(running)
        if self.end_at_tick is not None:
            raise self.end_at_tick

    def _first_word(self) -> None:
        self.first_words += 1

    def end(self) -> End:
        self._thread.join(5)
        assert self.ended is not None, "the pump still runs"
        return self.ended.end

    def sent(self) -> list[tuple[bytes, bytes]]:
        """All frames for the caller, sent or still waiting."""
        assert self.pump is not None
        self._caller_end.setblocking(True)
        self._caller_end.sendall(self.pump.to_caller.take())
        self._caller_end.close()
        with self.caller.makefile("rb") as stream:
            found = []
            while (one := read_frame(stream)) is not None:
                found.append(one)
        return found

    def close(self) -> None:
        for end in (self.caller, self._caller_end, self.container, self._container_end):
            end.close()
        os.close(self.run.wake)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(pump_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(phases, "DRAIN_SECONDS", 0.5)
    made = Stage()
    yield made
    made.close()


def upload(stage: Stage, payload: bytes = b"bundle") -> None:
    """Send a bundle and wait until the container has it."""
    stage.start()
    wanted = frame(DATA, payload) + frame(END)
    stage.caller.sendall(wanted)
    got = b""
    while len(got) < len(wanted):
        got += stage.container.recv(1 << 20)
    assert got == wanted


def test_a_whole_run(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDERR, b"out"))
    stage.container.sendall(piece(STDOUT, frame(RESULT, b"result")))
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    word = heard_word(stage)
    # The stream does not end: the echo is enough. It may come in pieces.
    stage.container.sendall(piece(STDERR, b"la") + piece(STDERR, b"te" + word[:5]))
    stage.container.sendall(piece(STDERR, word[5:]))
    assert stage.end() is End.GUEST_DONE
    assert stage.first_words == 1
    assert stage.sent() == [(OUTPUT, b"out"), (RESULT, b"result"), (OUTPUT, b"late")]
    assert stage.pump is not None
    counts = stage.pump.counts
    assert (counts.bundle_bytes, counts.output_bytes, counts.result_bytes) == (6, 7, 6)
    assert json.loads(json.dumps(counts.guest)) == {"outcome": {"kind": "ok"}}
    assert list(counts.stages) == ["bundle", "first_result", "last_result", "status"]
    assert sorted(counts.stages.values()) == list(counts.stages.values())


def heard_word(stage: Stage) -> bytes:
    """What the guest is to say on its standard error; then its stdin ends."""
    with stage.container.makefile("rb") as stdin:
        kind, word = read_frame(stdin) or (b"", b"")
        assert kind == PING and len(word) == 16
        assert stdin.read() == b"", "the guest's stdin ends"
    return word


def test_all_output_of_a_guest_without_an_echo_comes_before_its_end(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    word = heard_word(stage)
    stage.container.sendall(piece(STDERR, b"late" + word[:15]))
    stage.container.close()
    assert stage.end() is End.GUEST_DONE
    assert stage.sent() == [(OUTPUT, b"late"), (OUTPUT, word[:15])]


def test_statistics_are_taken_before_the_results_are_all_there(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDOUT, frame(RESULT, b"the first")))
    assert wait_until(lambda: stage.first_words == 1, 5)
    stage.container.sendall(piece(STDOUT, frame(RESULT, b"the last")))
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    stage.container.sendall(piece(STDERR, heard_word(stage)))
    assert stage.end() is End.GUEST_DONE
    assert stage.first_words == 1


def test_no_echo_is_asked_for_while_inputs_are_still_on_their_way(stage: Stage) -> None:
    """It would come after them: a guest that failed at its bundle does not read on."""
    stage.policy = replace(POLICY, bundle_bytes=100 * MIB, progress_seconds=5)
    stage.start()
    threading.Thread(target=_stuff, args=(stage.caller,), daemon=True).start()
    assert wait_until(lambda: stage.pump is not None and stage.pump._to_guest.size > MIB, 5)
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    assert stage.end() is End.GUEST_DONE, "after DRAIN_SECONDS"


def _stuff(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(8):
            connection.sendall(frame(DATA, bytes(1 << 20)))


def test_a_guest_that_stays_is_done_all_the_same(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    assert stage.end() is End.GUEST_DONE


def test_a_container_that_ends_without_a_word(stage: Stage) -> None:
    upload(stage)
    stage.container.close()
    assert stage.end() is End.STREAM_ENDED


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["close", "half"])
def test_a_caller_that_leaves(stage: Stage, when: str, how: str) -> None:
    if when == "before":
        stage.start()
        stage.caller.sendall(header(DATA, 1000) + b"x")
    else:
        upload(stage)
    began = time.monotonic()
    if how == "close":
        stage.caller.close()
    else:
        stage.caller.shutdown(socket.SHUT_WR)
    assert stage.end() is End.CALLER_LEFT
    assert time.monotonic() - began < 0.3


def test_a_caller_that_leaves_while_its_bundle_is_stuck(stage: Stage) -> None:
    stage.start()
    stage.caller.setblocking(False)
    block = frame(DATA, bytes(1 << 20))
    try:
        for _ in range(20):
            stage.caller.sendall(block)
            time.sleep(0.02)
    except BlockingIOError:
        pass
    stage.caller.close()
    assert stage.end() is End.CALLER_LEFT


def test_wall_time(stage: Stage) -> None:
    upload(stage)
    assert stage.end() is End.WALL_TIME
    assert stage.pump is not None and 0.4 < stage.pump.counts.run_seconds < 1.5
    assert True in stage.ticks


def test_a_silent_caller(stage: Stage) -> None:
    stage.start()
    stage.caller.sendall(frame(DATA, b"x"))
    began = time.monotonic()
    assert stage.end() is End.CALLER_SILENT
    assert time.monotonic() - began < 1.5
    assert True not in stage.ticks


def test_a_guest_that_takes_nothing(stage: Stage) -> None:
    stage.policy = replace(POLICY, bundle_bytes=100 * MIB)
    stage.start()

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                stage.caller.sendall(frame(DATA, bytes(1 << 20)))

    threading.Thread(target=send, daemon=True).start()
    assert stage.end() is End.BAD_GUEST
    assert stage.ended is not None and "inputs" in stage.ended.detail


def test_output_is_cut_at_its_limit(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDERR, b"x" * 100_001))
    assert stage.end() is End.OUTPUT_LIMIT
    assert sum(len(data) for _, data in stage.sent()) == 100_000


def test_results_beyond_their_limit(stage: Stage) -> None:
    upload(stage)
    stage.container.sendall(piece(STDOUT, frame(RESULT, bytes(50_001))))
    assert stage.end() is End.RESULT_LIMIT


def test_a_bundle_beyond_its_limit(stage: Stage) -> None:
    stage.start()
    threading.Thread(target=_drain, args=(stage.container,), daemon=True).start()
    for _ in range(3):
        stage.caller.sendall(frame(DATA, bytes(1 << 20)))
    stage.caller.sendall(frame(DATA, b"x"))
    assert stage.end() is End.BUNDLE_LIMIT


def _drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1 << 20):
            pass


@pytest.mark.parametrize("garbage", [b"?" * 9, frame(STATUS, b"{}"), frame(END) + frame(END)])
def test_a_caller_that_breaks_the_protocol(stage: Stage, garbage: bytes) -> None:
    stage.start()
    stage.caller.sendall(garbage)
    assert stage.end() is End.BAD_CALLER
    assert stage.ended is not None and stage.ended.detail


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x07" * 8,
        piece(STDOUT, b"hello, stdout"),
        piece(STDOUT, frame(OUTPUT, b"x")),
        piece(STDOUT, frame(STATUS, b"{}")),
        piece(STDOUT, frame(STATUS, GOOD_STATUS) + frame(STATUS, GOOD_STATUS)),
    ],
)
def test_a_guest_that_breaks_the_protocol(stage: Stage, garbage: bytes) -> None:
    upload(stage)
    stage.container.sendall(garbage)
    assert stage.end() is End.BAD_GUEST


def test_a_stop_from_another_thread(stage: Stage) -> None:
    upload(stage)
    stage.run.stop("because")
    stage.run.stop("again")
    assert stage.end() is End.STOPPED
    assert stage.run.stopped == "because"


def test_a_tick_that_ends_the_run(stage: Stage) -> None:
    stage.end_at_tick = Ended(End.PROCESSES)
    upload(stage)
    assert stage.end() is End.PROCESSES


def test_a_caller_that_does_not_read_stops_the_container_from_talking(stage: Stage) -> None:
    stage.policy = replace(POLICY, output_bytes=1 << 40)
    stage.limits = replace(LIMITS, wall_seconds=1.0)
    upload(stage)
    stage.container.settimeout(0.3)
    taken = 0
    block = piece(STDERR, bytes(100_000))
    try:
        for _ in range(1000):
            stage.container.sendall(block)
            taken += len(block)
    except TimeoutError:
        pass
    assert taken < 10 * BACKLOG_BYTES
    assert stage.pump is not None
    assert stage.pump.to_caller.size < 3 * BACKLOG_BYTES
    assert stage.end() is End.WALL_TIME


def test_results_are_not_cut_off_by_the_wall_time(stage: Stage) -> None:
    stage.policy = replace(POLICY, progress_seconds=5)
    upload(stage)
    stage.container.sendall(piece(STDOUT, frame(RESULT, b"x")))
    time.sleep(0.7)  # longer than wall_seconds
    stage.container.sendall(piece(STDOUT, frame(STATUS, GOOD_STATUS)))
    stage.container.close()
    assert stage.end() is End.GUEST_DONE


def test_an_outbox_keeps_the_order() -> None:
    box = Outbox()
    box.put(b"ab", b"", b"c")
    assert (box.size, box.take(), box.size) == (3, b"abc", 0)
    one, other = socket.socketpair()
    one.setblocking(False)
    data = os.urandom(1 << 20)
    box.put(data)
    got = b""
    other.settimeout(0.05)
    while len(got) < len(data):
        box.send(one)
        got += other.recv(1 << 20)
    assert (got == data, box.size) == (True, 0)
    one.close()
    other.close()

"""Callers who speak to sandboxd's socket by themselves, and may be hostile."""

import socket
import struct
import time

import pytest

from cfiddle_slurm.sandbox.protocol import (
    DATA,
    END,
    HELLO,
    OUTPUT,
    RELEASE,
    STATUS,
    header,
    parse_json,
    read_frame,
)
from tests.patience import wait_until
from tests.sandbox.harness import Experiments, Job, Sandboxd

pytestmark = pytest.mark.docker


def call(sandboxd: Sandboxd, job: Job | None = None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(str(sandboxd.socket))
    if job is not None:
        connection.sendall(frame(HELLO, f'{{"protocol":1,"job_id":"{job.job_id}",'
                                        f'"run_id":"{job.run_id}"}}'.encode()))  # fmt: skip
    return connection


def frame(kind: bytes, payload: bytes) -> bytes:
    return header(kind, len(payload)) + payload


def send_bundle(connection: socket.socket, job: Job) -> None:
    data = (job.folder / "bundle.tar").read_bytes()
    for start in range(0, len(data), 1 << 20):
        connection.sendall(frame(DATA, data[start : start + (1 << 20)]))
    connection.sendall(frame(END, b""))


def final(connection: socket.socket) -> dict[str, object]:
    """The last word of sandboxd, past whatever comes before."""
    with connection.makefile("rb") as stream:
        while (answer := read_frame(stream)) is not None:
            if answer[0] == STATUS:
                outcome = parse_json(answer[1])["outcome"]
                assert isinstance(outcome, dict)
                return outcome
    return {}


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        struct.pack(">cI", HELLO, 0xFFFFFFFF),
        frame(HELLO, b"{}"),
        frame(HELLO, b"[" * 60_000),
        frame(HELLO, b"\xff\xff"),
        frame(DATA, b"x"),
        frame(RELEASE, b'{"job_id": "../1"}'),
    ],
)
def test_garbage_is_refused_with_a_sentence(sandboxd: Sandboxd, garbage: bytes) -> None:
    with call(sandboxd) as connection:
        connection.sendall(garbage)
        outcome = final(connection)
    assert outcome["kind"] == "refused" and outcome["message"]


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 10, frame(STATUS, b"{}"), frame(HELLO, b"{}"), frame(END, b"") + frame(DATA, b"x")],
)
def test_garbage_after_hello(sandboxd: Sandboxd, garbage: bytes) -> None:
    with call(sandboxd, sandboxd.job([])) as connection:
        connection.sendall(garbage)
        assert final(connection)["kind"] == "refused"
    assert sandboxd.containers() == []


def test_a_client_killed_while_the_bundle_arrives(sandboxd: Sandboxd) -> None:
    job = sandboxd.job([])
    with call(sandboxd, job) as connection:
        connection.sendall(header(DATA, 1 << 20) + b"x" * 1000)
        assert wait_until(lambda: len(sandboxd.containers()) == 1, 5)
        time.sleep(0.3)
    assert wait_until(lambda: sandboxd.containers() == [], 2)


def test_a_client_that_half_dies(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.job(experiments.bundle("sleep_for", 60, name="seconds"))
    with call(sandboxd, job) as connection, connection.makefile("rb") as stream:
        send_bundle(connection, job)
        while (frame := read_frame(stream)) is not None and frame[0] != OUTPUT:
            pass
        connection.shutdown(socket.SHUT_WR)
        assert wait_until(lambda: sandboxd.containers() == [], 2)


def test_a_slow_loris_is_let_go(sandboxd: Sandboxd) -> None:
    began = time.monotonic()
    with call(sandboxd, sandboxd.job([])) as connection:
        connection.sendall(header(DATA, 1 << 20)[:3])
        assert final(connection)["kind"] == "unavailable"
    assert time.monotonic() - began < 5


def test_a_caller_that_never_reads(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.job(experiments.bundle("say", 6 << 20, name="bytes"))
    with call(sandboxd, job) as connection:
        send_bundle(connection, job)
        assert wait_until(lambda: len(sandboxd.containers()) == 1, 5)
        # Its results wait for somebody to take them, and not for ever.
        sandboxd.unregister(job.job_id)
        assert wait_until(lambda: sandboxd.containers() == [], 5)


def test_idle_connections_do_not_lock_others_out(own_sandboxd: Sandboxd) -> None:
    own_sandboxd.start()
    idle = [call(own_sandboxd) for _ in range(30)]
    try:
        assert own_sandboxd.ask("ping").returncode == 0
    finally:
        for connection in idle:
            connection.close()

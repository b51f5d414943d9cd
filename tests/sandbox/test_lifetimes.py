"""A container lives no longer than its caller, its job, and its daemon; callers may be hostile."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cfiddle_slurm.archive import Member
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
from tests.sandbox.harness import POLICY, SECCOMP, Experiments, Job, Sandboxd

pytestmark = pytest.mark.docker


def start_sleeping(sandboxd: Sandboxd, experiments: Experiments) -> Job:
    """A run that has begun and would take a long time."""
    job = sandboxd.run(experiments.bundle("sleep_for", 60, name="seconds"))
    log = job.folder / "output.log"
    assert wait_until(lambda: log.exists() and log.stat().st_size > 0, 10)
    assert len(sandboxd.containers()) == 1
    return job


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_client_takes_its_container_along(
    sandboxd: Sandboxd, experiments: Experiments, number: int
) -> None:
    job = start_sleeping(sandboxd, experiments)
    assert job.process is not None
    job.process.send_signal(number)
    assert wait_until(lambda: sandboxd.containers() == [], 2)
    assert job.process.wait(2) == -number
    assert not (job.folder / "report.json").exists()


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


def test_a_job_that_is_unregistered(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = start_sleeping(sandboxd, experiments)
    sandboxd.unregister(job.job_id)
    assert job.report(4)["outcome"]["kind"] == "cancelled"
    assert sandboxd.containers() == []


def test_release_ends_a_run_and_answers_when_it_is_gone(
    sandboxd: Sandboxd, experiments: Experiments
) -> None:
    job = start_sleeping(sandboxd, experiments)
    began = time.monotonic()
    assert sandboxd.ask("release", job.job_id).returncode == 0
    assert sandboxd.containers() == []
    assert time.monotonic() - began < 2
    assert job.report(2)["outcome"]["kind"] == "cancelled"


def test_release_of_a_job_without_runs(sandboxd: Sandboxd) -> None:
    answer = sandboxd.ask("release", "999999")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_ping(sandboxd: Sandboxd) -> None:
    answer = sandboxd.ask("ping")
    assert answer.returncode == 0 and "ready" in answer.stdout


def test_a_second_run_waits_for_the_first(sandboxd: Sandboxd, experiments: Experiments) -> None:
    first = sandboxd.run(experiments.bundle("sleep_for", 2, name="seconds"))
    log = first.folder / "output.log"
    assert wait_until(lambda: log.exists() and log.stat().st_size > 0, 10)
    second = sandboxd.run(experiments.bundle("loop", 5))
    time.sleep(0.5)
    assert len(sandboxd.containers()) == 1
    assert (first.kind(), second.kind()) == ("ok", "ok")
    assert second.report()["measured"]["startup_seconds"] > 1


def test_refusals(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("loop", 5)
    other = sandboxd.job(bundle)
    sandboxd.register(other.job_id, uid=os.geteuid() + 1)
    for job, words in (
        (sandboxd.run(bundle, image="debian:trixie-slim"), "is not allowed on this cluster"),
        (sandboxd.run(bundle, memory_bytes=1 << 40), "above the allowed"),
        (sandboxd.run(bundle, wall_seconds=31), "above the allowed"),
        (sandboxd.run(bundle, run_id="../../x"), "run id"),
        (sandboxd.run(bundle, privileged=True), "'privileged'"),
        (sandboxd.run(bundle, register=False), "is not running on this node"),
        (sandboxd.submit(other), "does not belong to user"),
    ):
        outcome = job.report()["outcome"]
        assert outcome["kind"] == "refused", outcome
        assert words in outcome["message"]
    assert sandboxd.containers() == []


def test_a_run_is_started_once_only(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run(experiments.bundle("loop", 5))
    container = job.report()["container"]
    again = sandboxd.submit(job)
    assert again.process is not None and again.process.wait(10) == 0
    assert job.report()["container"] == container
    (job.folder / "report.json").unlink()
    again = sandboxd.submit(job)
    assert again.process is not None and again.process.wait(10) == 1, "nobody will report of it"
    assert not (job.folder / "report.json").exists()


def test_a_bundle_beyond_the_limit(
    sandboxd: Sandboxd, experiments: Experiments, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(70 << 20)
    bundle = [*experiments.bundle("loop", 5), Member("files/big", big)]
    outcome = sandboxd.run(bundle).report()["outcome"]
    assert (outcome["kind"], "64 MiB" in outcome["message"]) == ("refused", True)


def test_a_bundle_that_is_no_bundle(sandboxd: Sandboxd) -> None:
    job = sandboxd.job([])
    (job.folder / "bundle.tar").write_bytes(os.urandom(3 << 20))
    assert sandboxd.submit(job).kind() == "guest_error"


# What follows speaks to the socket without the client.


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


def test_orphans_are_swept_when_sandboxd_starts_again(
    own_sandboxd: Sandboxd, experiments: Experiments
) -> None:
    own_sandboxd.start()
    job = start_sleeping(own_sandboxd, experiments)
    own_sandboxd.stop(signal.SIGKILL)
    assert job.report(5)["outcome"]["kind"] == "unavailable"
    own_sandboxd.start()
    assert own_sandboxd.containers() == []
    assert own_sandboxd.run(experiments.bundle("loop", 5)).kind() == "ok"


def test_a_stop_ends_runs_and_removes_the_socket(
    own_sandboxd: Sandboxd, experiments: Experiments
) -> None:
    own_sandboxd.start()
    job = start_sleeping(own_sandboxd, experiments)
    assert own_sandboxd.stop() == 0
    assert own_sandboxd.containers() == []
    assert not own_sandboxd.socket.exists()
    outcome = job.report(5)["outcome"]
    assert (outcome["kind"], "stopped" in outcome["message"]) == ("cancelled", True)
    assert own_sandboxd.ask("ping").returncode == 1
    assert own_sandboxd.ask("release", "1").returncode == 0
    assert own_sandboxd.run(experiments.bundle("loop", 5)).kind() == "unavailable"


def test_a_busy_node(tmp_path: Path, experiments: Experiments) -> None:
    policy = POLICY.replace("busy_wait_seconds = 15", "busy_wait_seconds = 0.5")
    daemon = Sandboxd(tmp_path, policy)
    try:
        daemon.start()
        first = start_sleeping(daemon, experiments)
        assert daemon.run(experiments.bundle("loop", 5)).kind() == "busy"
        assert first.process is not None
        first.process.kill()
        daemon.stop()
    finally:
        daemon.clean_up()


def test_a_second_daemon_at_the_same_socket(own_sandboxd: Sandboxd) -> None:
    own_sandboxd.start()
    command = [sys.executable, "-m", "cfiddle_slurm.sandbox.daemon"]
    command += ["--socket", str(own_sandboxd.socket), "--instance", own_sandboxd.instance]
    command += ["--seccomp", str(SECCOMP)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "Another sandboxd answers" in second.stderr
    assert own_sandboxd.ask("ping").returncode == 0


class Pair:
    """Two sockets and the bytes between them."""

    def __init__(self, outside: socket.socket) -> None:
        self._outside = outside
        self._inside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inside.connect("/var/run/docker.sock")
        for source, target in ((outside, self._inside), (self._inside, outside)):
            threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close_both(self) -> None:
        for end in (self._outside, self._inside):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class EngineDoor:
    """Stands before the engine's socket and can be shut, as an engine that restarts is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener: socket.socket | None = None
        self._open: list[Pair] = []

    def open(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()
        for pair in self._open:
            pair.close_both()
        self._open = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                outside, _ = listener.accept()
            except OSError:
                return
            self._open.append(Pair(outside))


@pytest.fixture
def door(tmp_path: Path) -> EngineDoor:
    return EngineDoor(tmp_path / "engine.sock")


def test_an_engine_that_is_away_and_comes_back(
    tmp_path: Path, experiments: Experiments, door: EngineDoor
) -> None:
    daemon = Sandboxd(tmp_path / "own", engine=f"unix://{door.path}")
    bundle = experiments.bundle("loop", 5)
    try:
        daemon.start()
        assert daemon.ask("ping").returncode == 1
        assert daemon.run(bundle).kind() == "unavailable"
        door.open()
        assert daemon.ask("ping").returncode == 0
        assert daemon.run(bundle).kind() == "ok"
        job = start_sleeping(daemon, experiments)
        door.shut()
        assert job.report(10)["outcome"]["kind"] == "unavailable"
        assert len(daemon.containers()) == 1, "it could not be removed"
        door.open()
        assert wait_until(lambda: daemon.containers() == [], 12), "swept once the engine is back"
        assert daemon.run(bundle).kind() == "ok"
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log.read_text()
    finally:
        daemon.clean_up()

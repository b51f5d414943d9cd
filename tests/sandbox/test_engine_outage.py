"""The container engine goes away, or only its streams do, while an experiment runs."""

import socket
import threading
import time
from pathlib import Path

import pytest

from cfiddle_slurm.sandbox.daemon.node import LOOK_SECONDS
from tests.patience import wait_until
from tests.sandbox.harness import POLICY, Experiments, Sandboxd

pytestmark = pytest.mark.docker


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
        self.cut()

    def cut(self) -> None:
        """End all connections; new ones are welcome."""
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


def test_a_stream_that_breaks_is_not_the_experiments_end(
    tmp_path: Path, experiments: Experiments, door: EngineDoor
) -> None:
    door.open()
    with Sandboxd(tmp_path / "own", engine=f"unix://{door.path}") as daemon:
        daemon.start()
        job = daemon.run_sleeping(experiments)
        door.cut()
        assert job.report(20)["outcome"]["kind"] == "unavailable"
        assert wait_until(lambda: daemon.containers() == [], 12)
        assert daemon.stop() == 0


def test_an_engine_that_is_away_and_comes_back(
    tmp_path: Path, experiments: Experiments, door: EngineDoor
) -> None:
    bundle = experiments.bundle("loop", 5)
    with Sandboxd(tmp_path / "own", engine=f"unix://{door.path}") as daemon:
        daemon.start()
        assert daemon.ask("ping").returncode == 3
        assert daemon.run(bundle).kind() == "unavailable"
        door.open()
        assert daemon.ask("ping").returncode == 0
        assert daemon.run(bundle).kind() == "ok"
        job = daemon.run_sleeping(experiments)
        door.shut()
        assert job.report(10)["outcome"]["kind"] == "unavailable"
        assert len(daemon.containers()) == 1, "it could not be removed"
        door.open()
        assert wait_until(lambda: daemon.containers() == [], 12), "swept once the engine is back"
        assert daemon.run(bundle).kind() == "ok"
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log.read_text()


def test_it_says_whether_it_could_take_a_run(
    tmp_path: Path, experiments: Experiments, door: EngineDoor
) -> None:
    bundle = experiments.bundle("loop", 5)
    door.open()
    with Sandboxd(tmp_path / "own", engine=f"unix://{door.path}") as daemon:
        daemon.start()
        assert daemon.word() == "ready"
        door.shut()
        assert daemon.run(bundle).kind() == "unavailable"
        assert daemon.word() == "Docker does not answer", "before the job has its answer"
        door.open()
        assert wait_until(lambda: daemon.word() == "ready", 12), "it comes back by itself"
        assert daemon.containers() == [], "the trial of a sandbox leaves nothing"
        door.shut()
        assert wait_until(lambda: daemon.word() == "Docker does not answer", 12), "without a run"
        door.open()
        assert wait_until(lambda: daemon.word() == "ready", 12)
        assert daemon.run(bundle).kind() == "ok"
        assert daemon.stop() == 0
        assert daemon.word() == "", "who has stopped says nothing"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (POLICY.replace("latest", "gone"), "the sandbox image is missing"),
        (POLICY + 'free_bytes = "1000TiB"', "Docker's disk is full"),
        (POLICY + 'runtime = "nonsense"', "ready"),
    ],
)
def test_what_is_wrong_with_the_machine(
    tmp_path: Path, experiments: Experiments, policy: str, words: str
) -> None:
    with Sandboxd(tmp_path / "own", policy=policy) as daemon:
        daemon.start()
        assert daemon.word().startswith(words)
        if words == "ready":  # only a run finds it out; then each look tries a sandbox
            assert daemon.run(experiments.bundle("loop", 5)).kind() == "unavailable"
            assert daemon.word().startswith("Docker cannot create the sandbox")
            time.sleep(2 * LOOK_SECONDS)
            assert daemon.word().startswith("Docker cannot create the sandbox")
        assert daemon.stop() == 0

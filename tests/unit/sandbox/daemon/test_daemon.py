"""sandboxd's own parts, and whole conversations with a stand-in for the engine."""

import argparse
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.sandbox.daemon import __main__ as daemon_module
from cfiddle_slurm.sandbox.daemon.__main__ import make_node
from cfiddle_slurm.sandbox.daemon.container_config import Place as NodePlace
from cfiddle_slurm.sandbox.daemon.engine import EngineAddress, EngineError
from cfiddle_slurm.sandbox.daemon.job_registry import Registry
from cfiddle_slurm.sandbox.daemon.node import Node
from cfiddle_slurm.sandbox.daemon.readiness import Readiness
from cfiddle_slurm.sandbox.daemon.server import Server, StartError, listen
from cfiddle_slurm.sandbox.daemon.verdict import (
    State,
    Usage,
)
from cfiddle_slurm.sandbox.policy import Policy
from cfiddle_slurm.sandbox.protocol import (
    ACCEPTED,
    DATA,
    END,
    HELLO,
    OUTPUT,
    PING,
    RELEASE,
    RESULT,
    STATUS,
    header,
    parse_json,
    read_frame,
)
from cfiddle_slurm.sandbox.status import MAX_GUEST_STATUS, parse_guest_status
from tests.patience import wait_until
from tests.unit.sandbox.daemon.test_pump import GOOD_STATUS, frame, piece

ME = os.geteuid()
SECCOMP = Path(__file__).parents[4] / "sandbox" / "seccomp.json"


class FakeContainer:
    """A container whose guest is a thread: prints, gives a result, says goodbye."""

    short_id = "0" * 12

    def __init__(self, engine: "FakeEngine") -> None:
        self.id = "0" * 64
        self.socket, self._guest = socket.socketpair()
        self._engine = engine
        self._engine.there.append(self.id)

    def start(self) -> None:
        if self._engine.trouble == "start":
            raise EngineError("The engine cannot start.")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._guest, self._guest.makefile("rb") as incoming:
            while (got := read_frame(incoming)) is not None and got[0] != END:
                pass
            if self._engine.trouble == "silent":
                incoming.read(1)
                return
            said = piece(2, b"hi") + piece(1, frame(RESULT, b"tar"))
            with contextlib.suppress(BrokenPipeError):
                self._guest.sendall(said + piece(1, frame(STATUS, GOOD_STATUS)))
                incoming.read(1)

    def usage(self) -> Usage:
        return Usage(1234, None, 1)

    def state(self) -> State:
        return State(exit_code=0, running=True)

    def remove(self) -> None:
        self._engine.removing.wait(5)
        self.socket.close()
        self._engine.remove(self.id)


class FakeEngine:
    """Containers that are threads."""

    def __init__(self) -> None:
        self.trouble, self.address = "", EngineAddress()
        self.there: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.labels: dict[str, str] = {}
        self.removing = threading.Event()
        self.removing.set()

    def __call__(self, address: EngineAddress) -> "FakeEngine":
        return self

    def check(self, image: str) -> None:
        if self.trouble:
            raise EngineError("The engine does not answer.")

    def label(self, image: str, name: str) -> str | None:
        return self.labels.get(image)

    def labelled(self, repository: str, name: str, value: str) -> list[str]:
        return [tag for tag, label in self.labels.items() if label == value]

    def create(self, arguments: dict[str, Any], run_id: str) -> FakeContainer:
        if self.trouble == "create":
            raise EngineError("The engine cannot create.")
        self.created.append(arguments)
        return FakeContainer(self)

    def leftovers(self, job_id: str | None = None) -> list[str]:
        if self.trouble == "list":
            raise EngineError("The engine cannot list.")
        return list(self.there)

    def remove(self, container_id: str) -> None:
        if container_id in self.there:
            self.there.remove(container_id)

    def close(self) -> None:
        pass


class Place:
    """A server in this process, and callers of it."""

    def __init__(self, folder: Path, administrator: int = ME) -> None:
        self.engine = FakeEngine()
        self.jobs = folder / "jobs"
        self.jobs.mkdir(mode=0o755)
        policy = Policy(busy_wait_seconds=0.3, progress_seconds=2, bundle_bytes=1000)
        self.state = folder / "state"
        self.node = Node(
            policy, Registry(self.jobs, ME), EngineAddress(), NodePlace("0", "{}"), administrator,
            Readiness(self.state), self.engine,  # type: ignore[arg-type]
        )  # fmt: skip
        self.path = folder / "d.sock"
        folder.chmod(0o755)
        self.listener = listen(self.path)
        self.server = Server(self.node, self.listener)
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()

    def word(self) -> str:
        return self.state.read_text().strip()

    def stop(self) -> None:
        self.server.stop()
        self._thread.join(5)
        self.listener.close()

    def register(self, job_id: str, uid: int = ME) -> None:
        (self.jobs / job_id).write_text(json.dumps({"uid": uid}))

    def call(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(5)
        connection.connect(str(self.path))
        return connection

    def ask(self, *frames: bytes) -> list[tuple[bytes, bytes]]:
        """All that is answered."""
        with self.call() as connection, connection.makefile("rb") as stream:
            with contextlib.suppress(BrokenPipeError):  # turned away before it could ask
                connection.sendall(b"".join(frames))
            found = []
            while (one := read_frame(stream)) is not None:
                found.append(one)
                if one[0] == STATUS:
                    break  # with something unread it hangs up with a reset, not an end
        return found

    def status(self, *frames: bytes) -> dict[str, Any]:
        kind, payload = self.ask(*frames)[-1]
        assert kind == STATUS
        return parse_json(payload)

    def kind(self, *frames: bytes) -> str:
        return str(self.status(*frames)["outcome"]["kind"])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.stop()


def hello(job_id: str = "5", **more: Any) -> bytes:
    question = {"protocol": 1, "job_id": job_id, "run_id": "cd" * 8, **more}
    return frame(HELLO, json.dumps(question).encode())


BUNDLE = frame(DATA, b"bundle") + frame(END)


def test_a_whole_run(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.register("5")
    answers = place.ask(hello(), BUNDLE)
    assert [kind for kind, _ in answers] == [ACCEPTED, OUTPUT, RESULT, STATUS]
    assert parse_json(answers[0][1])["container"] == "0" * 12
    status = parse_json(answers[-1][1])
    assert status["outcome"]["kind"] == "ok"
    assert status["measured"]["memory_peak_bytes"] == 1234
    assert (status["run_id"], status["cores"]) == ("cd" * 8, "0")
    assert place.node.stop_all("test", 5)
    assert place.engine.there == []
    assert place.engine.created[0]["Labels"]["cfiddle-slurm.job"] == "5"
    assert (
        f"uid={ME} job=5 run={'cd' * 8} container=000000000000 kind=ok" in capsys.readouterr().err
    )


def test_each_notebook_gets_the_image_of_its_versions(place: Place) -> None:
    place.register("5")
    place.engine.labels = {
        "cfiddle-sandbox:latest": "cfiddle=2",
        "cfiddle-sandbox:old": "cfiddle=1",
    }
    for version, image in [("1", "old"), ("2", "latest"), ("3", "latest")]:
        answers = place.ask(hello(versions={"cfiddle": version}), BUNDLE)
        said = [parse_json(answers[0][1])["image"], parse_json(answers[-1][1])["image"]]
        assert said == [f"cfiddle-sandbox:{image}"] * 2
    assert place.engine.created[0]["Image"] == "cfiddle-sandbox:old"
    assert place.kind(hello(), BUNDLE) == "ok"  # it does not say its versions
    assert place.engine.created[-1]["Image"] == "cfiddle-sandbox:latest"


def test_refused_before_any_container(place: Place) -> None:
    place.register("6", ME + 1)
    for question in (hello(), hello("6"), hello("x"), hello(image="evil"), hello(extra=1)):
        assert place.kind(question) == "refused"
    assert place.engine.created == []


@pytest.mark.parametrize("trouble", ["create", "start"])
def test_an_engine_in_trouble(place: Place, trouble: str) -> None:
    place.register("5")
    place.engine.trouble = trouble
    assert place.kind(hello(), BUNDLE) == "unavailable"
    assert place.engine.there == []
    assert place.node.untidy.is_set()
    assert place.word() == f"The engine cannot {trouble}.", "said before the run's own answer"
    place.node.look()
    assert place.word() != "ready", "a sandbox is tried, and fails again"
    place.engine.trouble = ""
    place.node.look()
    assert place.word() == "ready" and place.engine.there == []
    assert place.kind(hello(), BUNDLE) == "ok"


def test_one_at_a_time(place: Place) -> None:
    place.register("5")
    place.engine.trouble = "silent"
    with place.call() as first, first.makefile("rb") as stream:
        first.sendall(hello() + BUNDLE)
        assert (read_frame(stream) or (b"", b""))[0] == ACCEPTED
        assert place.kind(hello()) == "busy"
    assert place.node.stop_all("test", 5)


def test_release_ends_the_jobs_runs(place: Place) -> None:
    place.register("5")
    place.engine.trouble = "silent"
    with place.call() as first, first.makefile("rb") as stream:
        first.sendall(hello() + BUNDLE)
        assert (read_frame(stream) or (b"", b""))[0] == ACCEPTED
        assert place.kind(frame(RELEASE, b'{"job_id": "5"}')) == "ok"
        last = read_frame(stream)
        assert last is not None and parse_json(last[1])["outcome"]["kind"] == "cancelled"
    assert place.engine.there == []


def test_release_does_not_wait_for_a_removal_and_the_next_run_does(place: Place) -> None:
    for job_id in ("5", "6"):
        place.register(job_id)
    place.engine.removing.clear()
    assert place.kind(hello(), BUNDLE) == "ok"
    began = time.monotonic()
    assert place.kind(frame(RELEASE, b'{"job_id": "5"}')) == "ok"
    assert time.monotonic() - began < 2
    assert place.engine.there, "it is still being removed"
    assert place.kind(hello("6"), BUNDLE) == "busy"
    place.engine.removing.set()
    assert place.kind(hello("6"), BUNDLE) == "ok"
    assert len(place.engine.created) == 2


def test_release_of_what_another_sandboxd_left(place: Place) -> None:
    place.engine.there.append("orphan")
    assert place.kind(frame(RELEASE, b'{"job_id": "8"}')) == "ok"
    assert place.engine.there == []
    place.engine.trouble = "list"
    assert place.kind(frame(RELEASE, b'{"job_id": "8"}')) == "unavailable"


def test_release_is_for_the_administrator(place: Place) -> None:
    place.node.administrator = ME + 1
    assert place.kind(frame(RELEASE, b'{"job_id": "8"}')) == "refused"
    assert place.kind(frame(RELEASE, b"{}")) == "refused"


def test_ping(place: Place) -> None:
    assert place.kind(frame(PING, b"{}")) == "ok"
    place.engine.trouble = "x"
    assert place.kind(frame(PING, b"{}")) == "unavailable"


def test_sweeping(place: Place) -> None:
    place.engine.there += ["one", "two"]
    place.engine.trouble = "list"
    place.node.sweep()
    assert place.node.untidy.is_set()
    place.engine.trouble = ""
    place.node.sweep()
    assert (place.engine.there, place.node.untidy.is_set()) == ([], False)


def test_after_a_stop_nothing_new_begins(place: Place) -> None:
    place.register("5")
    assert place.node.stop_all("It stops.", 1)
    status = place.status(hello(), BUNDLE)
    assert (status["outcome"]["kind"], status["outcome"]["message"]) == ("cancelled", "It stops.")


def test_too_many_connections_of_one_user(tmp_path: Path) -> None:
    place = Place(tmp_path, administrator=ME + 1)
    with contextlib.ExitStack() as idle:
        for _ in range(place.node.policy.connections_per_user):
            idle.enter_context(place.call())
        assert place.kind() == "busy"
    assert wait_until(lambda: place.kind(frame(PING, b"{}")) == "ok", 5), "they have left"
    place.stop()


def test_the_administrator_is_always_let_in(place: Place) -> None:
    with contextlib.ExitStack() as idle:
        for _ in range(2 * place.node.policy.connections):
            idle.enter_context(place.call())
        assert place.kind(frame(PING, b"{}")) == "ok"


def test_where_it_may_listen(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartError, match="writable by nobody"):
        listen(folder / "s")
    folder.chmod(0o755)
    (folder / "s").write_text("a file")
    with pytest.raises(StartError, match="is no socket"):
        listen(folder / "s")
    with pytest.raises(StartError, match="cannot be made"):
        listen(tmp_path / "none" / "s")
    (folder / "s").unlink()
    listener = listen(folder / "s")
    assert (folder / "s").stat().st_mode & 0o777 == 0o666
    with pytest.raises(StartError, match="Another sandboxd"):
        listen(folder / "s")
    listener.close()
    listen(folder / "s").close()  # in the place of one that was killed


def test_a_start_that_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "sandbox.toml"
    policy.write_text("memry = 1")
    arguments = ["--policy", str(policy), "--socket", str(tmp_path / "s")]
    assert daemon_module.main(arguments) == 1
    assert "'memry'" in capsys.readouterr().err


def test_without_a_seccomp_profile_it_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--seccomp", str(tmp_path / "none"), "--socket", str(tmp_path / "s")]
    assert daemon_module.main(arguments) == 1
    assert "seccomp profile" in capsys.readouterr().err


def test_the_cores_of_the_policy_are_checked_at_the_start(tmp_path: Path) -> None:
    policy = tmp_path / "sandbox.toml"
    policy.write_text('cores = "60000"')
    options = argparse.Namespace(
        policy=policy, seccomp=SECCOMP, jobs=tmp_path, owner=0, engine="unix:///none", instance="1"
    )
    with pytest.raises(ValueError, match="offline or not allowed"):
        make_node(options)


def test_the_cpu_time_is_that_of_the_cores_here(tmp_path: Path) -> None:
    policy = tmp_path / "sandbox.toml"
    mine = sorted(os.sched_getaffinity(0))
    policy.write_text(f'cores = "{",".join(map(str, mine))}"\nwall_seconds = 10')
    options = argparse.Namespace(
        policy=policy, seccomp=SECCOMP, jobs=tmp_path, owner=0, engine="unix:///none", instance="1",
        socket=tmp_path / "socket",
    )  # fmt: skip
    assert make_node(options).policy.cpu_seconds == 10 * len(mine)


def test_a_status_fits_into_its_frame_whatever_the_guest_said() -> None:
    # The worst case of escaping: two bytes of UTF-8 become six.
    text = "é" * ((MAX_GUEST_STATUS - 100) // 2)
    payload = json.dumps({"outcome": {"kind": "ok"}, "x": text}, ensure_ascii=False).encode()
    guest = parse_guest_status(payload)
    room_for_the_rest = 8192
    assert header(STATUS, len(json.dumps(guest)) + room_for_the_rest)

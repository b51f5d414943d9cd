"""The client against a small stand-in for sandboxd, over a real socket."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.sandbox.client import __main__ as client
from cfiddle_slurm.sandbox.protocol import (
    ACCEPTED,
    DATA,
    END,
    HELLO,
    OUTPUT,
    PING,
    RELEASE,
    RESULT,
    SOCKET_VARIABLE,
    STATUS,
    parse_json,
    read_frame,
    write_frame,
    write_json,
)

REQUEST = {"protocol": 1, "run_id": "ab" * 8, "image": None, "wall_seconds": 1.5,
           "cpu_seconds": None, "memory_bytes": None}  # fmt: skip
FINAL = {"protocol": 1, "run_id": "ab" * 8, "guest": {"x": 1},
         "outcome": {"kind": "ok", "message": "", "signal": None, "code": None}}  # fmt: skip
Script = Callable[[Any, Any], None]


class Fake:
    """Listens where sandboxd would, and plays a script with its one caller."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s.sock"
        self.seen: list[tuple[bytes, bytes]] = []
        self.closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen()

    def play(self, script: Script) -> None:
        threading.Thread(target=self._serve, args=(script,), daemon=True).start()

    def _serve(self, script: Script) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as incoming, connection.makefile("wb") as out:
            script(incoming, out)
            out.flush()
        self.closed.set()

    def take(self, incoming: Any) -> None:
        """All frames of a bundle."""
        while (frame := read_frame(incoming)) is not None:
            self.seen.append(frame)
            if frame[0] == END:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    made = Fake(tmp_path)
    monkeypatch.setenv(SOCKET_VARIABLE, str(made.path))
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURMD_NODENAME", "worker-1")
    monkeypatch.chdir(tmp_path)
    yield made
    made.close()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job 'with\n\"quotes"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps(REQUEST))
    (folder / "bundle.tar").write_bytes(os.urandom(600_000))
    return folder


def report_of(job: Path) -> dict[str, Any]:
    report = json.loads((job / "report.json").read_text())
    assert isinstance(report, dict)
    return report


def test_a_whole_run(fake: Fake, job: Path) -> None:
    def script(incoming: Any, out: Any) -> None:
        write_json(out, ACCEPTED, {"container": "0" * 12})
        fake.take(incoming)
        write_frame(out, OUTPUT, b"hello ")
        write_frame(out, RESULT, b"re")
        write_frame(out, OUTPUT, b"world")
        write_frame(out, RESULT, b"sult")
        write_json(out, STATUS, FINAL)

    fake.play(script)
    assert client.run(str(job)) == 0
    kinds = [kind for kind, _ in fake.seen]
    assert kinds[0] == HELLO and kinds[-1] == END and set(kinds[1:-1]) == {DATA}
    assert parse_json(fake.seen[0][1]) == {"job_id": "77", **REQUEST}
    assert (
        b"".join(data for kind, data in fake.seen if kind == DATA)
        == (job / "bundle.tar").read_bytes()
    )
    assert (job / "output.log").read_text() == "hello world"
    assert (job / "result.tar").read_text() == "result"
    report = report_of(job)
    assert report["outcome"]["kind"] == "ok"
    assert (report["job_id"], report["node"]) == ("77", "worker-1")
    started = json.loads((job / "started.json").read_text())
    assert (started["job_id"], started["node"]) == ("77", "worker-1")
    assert not list(job.glob("*.part"))


@pytest.mark.usefixtures("fake")
def test_it_runs_once(job: Path) -> None:
    (job / "started.json").write_text('{"job_id": "77", "node": "worker-1", "time": 1.5}')
    assert client.run(str(job)) == 1, "the same job, begun anew: Slurm is to say that it failed"
    assert not (job / "report.json").exists()
    (job / "report.json").write_text("{}")
    assert client.run(str(job)) == 0, "it was begun anew after its end"
    assert (job / "report.json").read_text() == "{}"


@pytest.mark.parametrize("started", ['{"job_id": "7", "node"', '{"job_id": "778", "n', "{}", ""])
@pytest.mark.usefixtures("fake")
def test_another_job_has_the_run(job: Path, started: str) -> None:
    (job / "started.json").write_text(started)
    assert client.run(str(job)) == 0
    assert not (job / "report.json").exists()


def owner(job: Path, seconds_ago: float, text: str = "1 host\nbeats\n") -> None:
    (job / "owner").write_text(text)
    os.utime(job / "owner", (0, time.time() - seconds_ago))


@pytest.mark.usefixtures("fake")
def test_a_run_that_nobody_waits_for_any_more_does_not_start(job: Path) -> None:
    owner(job, 600)
    assert client.run(str(job)) == 0  # there is nobody to talk to, and it does not try
    report = report_of(job)
    assert report["outcome"]["kind"] == "withdrawn"
    assert re.search(
        r"nothing had been heard of its notebook for 60\d", report["outcome"]["message"]
    )
    assert (report["run_id"], report["job_id"]) == (REQUEST["run_id"], "77")
    assert json.loads((job / "started.json").read_text())["job_id"] == "77"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job: owner(job, 100),
        lambda job: owner(job, -600),
        lambda job: owner(job, 600, "1 host\n"),
        lambda job: owner(job, 600, ""),
        lambda job: os.mkfifo(job / "owner"),
        lambda job: (job / "owner").symlink_to("request.json"),
        lambda job: None,
    ],
    ids=["heard of", "later than now", "no beats", "empty", "FIFO", "link", "none"],
)
def test_where_nobody_can_know_the_run_starts(
    fake: Fake, job: Path, spoil: Callable[[Path], None]
) -> None:
    def script(incoming: Any, out: Any) -> None:
        fake.take(incoming)
        write_json(out, STATUS, FINAL)

    spoil(job)
    fake.play(script)
    assert client.run(str(job)) == 0
    assert report_of(job)["outcome"]["kind"] == "ok"


def test_what_says_who_started_the_run_is_a_file(job: Path) -> None:
    os.mkfifo(job / "started.json")
    assert client.run(str(job)) == 0
    (job / "started.json").unlink()
    (job / "started.json").symlink_to(job / "request.json")
    assert client.run(str(job)) == 1


@pytest.mark.parametrize(
    "script",
    [
        lambda incoming, out: None,
        lambda incoming, out: out.write(b"\0\0\0\0\0\0\0"),
        lambda incoming, out: write_frame(out, DATA, b"x"),
        lambda incoming, out: write_frame(out, STATUS, b"[]"),
        lambda incoming, out: out.write(b"S\0\0\1\0{"),
    ],
)
def test_a_conversation_that_breaks_off(fake: Fake, job: Path, script: Script) -> None:
    def read_first(incoming: Any, out: Any) -> None:
        fake.take(incoming)
        script(incoming, out)

    fake.play(read_first)
    assert client.run(str(job)) == 0
    report = report_of(job)
    assert report["outcome"]["kind"] == "unavailable"
    assert report["outcome"]["message"].endswith((".", ")"))
    assert report["run_id"] == "ab" * 8
    assert not (job / "result.tar").exists()


def test_results_without_the_guests_word_are_not_results(fake: Fake, job: Path) -> None:
    def script(incoming: Any, out: Any) -> None:
        fake.take(incoming)
        write_frame(out, RESULT, b"half")
        write_json(out, STATUS, {**FINAL, "guest": None})

    fake.play(script)
    assert client.run(str(job)) == 0
    assert not list(job.glob("result.tar*"))


def test_a_full_home_has_a_word_of_its_own(fake: Fake, job: Path) -> None:
    (job / "output.log").symlink_to("/dev/full")

    def script(incoming: Any, out: Any) -> None:
        fake.take(incoming)
        write_frame(out, RESULT, b"half")
        write_frame(out, OUTPUT, b"There is no room for this.")
        write_json(out, STATUS, FINAL)

    fake.play(script)
    assert client.run(str(job)) == 0
    outcome = report_of(job)["outcome"]
    assert outcome["kind"] == "home" and "No space left" in outcome["message"]
    assert not list(job.glob("result.tar*"))


def test_what_else_cannot_be_written_is_the_machines_fault(fake: Fake, job: Path) -> None:
    (job / "output.log").mkdir()
    fake.play(lambda incoming, out: fake.take(incoming))
    assert client.run(str(job)) == 0
    assert report_of(job)["outcome"]["kind"] == "unavailable"


def test_a_status_while_the_bundle_is_being_sent(fake: Fake, job: Path) -> None:
    (job / "bundle.tar").write_bytes(bytes(20 << 20))

    def script(incoming: Any, out: Any) -> None:
        read_frame(incoming)
        refused = {"kind": "refused", "message": "no", "signal": None, "code": None}
        write_json(out, STATUS, {**FINAL, "guest": None, "outcome": refused})

    fake.play(script)
    assert client.run(str(job)) == 0
    assert report_of(job)["outcome"]["kind"] == "refused"


def test_nobody_listens(fake: Fake, job: Path) -> None:
    fake.close()
    assert client.run(str(job)) == 0
    outcome = report_of(job)["outcome"]
    assert outcome["kind"] == "unavailable" and "worker-1" in outcome["message"]


@pytest.mark.parametrize("name", ["bundle.tar", "request.json"])
def test_a_file_is_missing(fake: Fake, job: Path, name: str) -> None:
    (job / name).unlink()
    fake.play(lambda incoming, out: fake.take(incoming))
    assert client.run(str(job)) == 0
    outcome = report_of(job)["outcome"]
    assert outcome["kind"] == "unavailable" and name in outcome["message"]


@pytest.mark.parametrize("text", ["", "[]", "null", "x" * 100_000])
def test_a_request_that_is_none(fake: Fake, job: Path, text: str) -> None:
    (job / "request.json").write_text(text)
    assert client.run(str(job)) == 0
    assert "request.json" in report_of(job)["outcome"]["message"]


def test_no_job_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.run(str(tmp_path / "none")) == 1
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["run"], ["run", "a", "b"], ["x"], ["release"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        assert client.main(words) == 2
    finally:
        signal.signal(signal.SIGINT, before)
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "status"), [("ok", 0), ("unavailable", 3)])
def test_ping(fake: Fake, kind: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    def script(incoming: Any, out: Any) -> None:
        frame = read_frame(incoming)
        assert frame is not None and frame[0] == PING
        write_json(out, STATUS, {"outcome": {"kind": kind, "message": "so it is"}})

    fake.play(script)
    assert client.ping() == status
    said = capsys.readouterr()
    assert "so it is" in (said.out if status == 0 else said.err)


def test_release_tells_whether_it_was_answered(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(incoming: Any, out: Any) -> None:
        frame = read_frame(incoming)
        assert frame is not None and frame[0] == RELEASE
        assert parse_json(frame[1]) == {"job_id": "5"}
        write_json(out, STATUS, {"outcome": {"kind": "ok", "message": ""}})

    fake.play(script)
    assert client.release("5") == 0
    assert capsys.readouterr().err == ""
    fake.close()
    assert client.release("5") == 1
    assert "not released" in capsys.readouterr().err


def test_names_that_need_quoting_in_json(
    fake: Fake, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", 'a"b\\cé\n')
    fake.play(lambda incoming, out: fake.take(incoming))
    assert client.run(str(job)) == 0
    assert json.loads((job / "started.json").read_text())["node"] == 'a"b\\cé\n'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_connection_at_once(fake: Fake, job: Path, number: int) -> None:
    begun = threading.Event()

    def script(incoming: Any, out: Any) -> None:
        fake.take(incoming)
        begun.set()
        assert read_frame(incoming) is None

    fake.play(script)
    process = subprocess.Popen([sys.executable, "-I", "-S", client.__file__, "run", str(job)])
    assert begun.wait(10)
    sent = time.monotonic()
    process.send_signal(number)
    assert fake.closed.wait(5)
    assert time.monotonic() - sent < 1
    assert process.wait(5) == -number
    assert not (job / "report.json").exists()


def test_it_loads_little_before_it_says_hello() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(client.__file__).parents[3])!r}); "
        "import cfiddle_slurm.sandbox.client.__main__; print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"json", "typing", "threading", "subprocess", "pathlib", "re", "cfiddle"}


def test_a_daemon_with_a_full_queue_of_callers_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    others = []
    for _ in range(3):
        other = socket.socket(socket.AF_UNIX)
        other.setblocking(False)
        others.append(other)
        if other.connect_ex(str(path)) == errno.EAGAIN:
            break
    else:
        pytest.fail("the queue is never full")
    monkeypatch.setenv(SOCKET_VARIABLE, str(path))
    threading.Timer(0.3, lambda: others.append(listener.accept()[0])).start()
    client.connect().close()
    listener.close()
    for other in others:
        other.close()

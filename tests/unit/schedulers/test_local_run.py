"""The local scheduler's run: a guest that behaves as it likes, judged as in a sandbox."""

import json
import os
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.bundle.layout import BUNDLE, OUTPUT, REPORT, RESULT, STARTED
from cfiddle_slurm.schedulers.local_run import LocalRun
from cfiddle_slurm.settings import Settings
from tests.patience import wait_until

GOOD = 'say(b"R", b"results"); say(b"S", json.dumps(STATUS).encode())'


class Local:
    """A run whose guest is a small program."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        (folder / BUNDLE).write_bytes(b"a bundle" * 100_000)

    def run(self, program: str, *, limit: float | None = None, **policy: Any) -> Any:
        """The report of a run with this guest, and with this policy."""
        script = textwrap.dedent(
            """
            import json, os, signal, sys, time
            STATUS = {"outcome": {"kind": "ok", "message": "", "signal": None, "code": None},
                      "cpu_seconds": 0.5, "max_rss_bytes": 4096, "run_seconds": 0.001}
            def say(kind, payload):
                sys.stdout.buffer.write(kind + len(payload).to_bytes(4, "big") + payload)
                sys.stdout.buffer.flush()
            """
        )
        command = [sys.executable, "-I", "-c", f"{script}\n{program}\nsys.stdin.buffer.read()"]
        self._monkeypatch.setattr(LocalRun, "command", staticmethod(lambda: command))
        run = LocalRun("ab" * 8, "local-1", self.folder, Settings(time_limit=limit))
        run._policy = replace(run._policy, **policy)
        run.start()
        assert run._over.wait(30)
        assert not list(self.folder.glob("*.part"))
        return json.loads((self.folder / REPORT).read_text())


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    return Local(tmp_path, monkeypatch)


def test_a_good_run(local: Local) -> None:
    report = local.run('print("hello", file=sys.stderr, flush=True); ' + GOOD)
    assert report["outcome"] == {"kind": "ok", "message": "", "signal": None, "code": None}
    assert (local.folder / RESULT).read_bytes() == b"results"
    assert (local.folder / OUTPUT).read_text() == "hello\n"
    assert (report["run_id"], report["job_id"]) == ("ab" * 8, "local-1")
    started = json.loads((local.folder / STARTED).read_text())
    assert (started["job_id"], started["node"]) == ("local-1", report["node"])
    measured = report["measured"]
    assert (measured["cpu_seconds"], measured["memory_peak_bytes"]) == (0.5, 4096)
    assert 0 < measured["startup_seconds"] < measured["wall_seconds"] < 30
    assert report["container"] is report["image"] is report["cores"] is None


def test_a_run_without_results_leaves_none(local: Local) -> None:
    assert local.run('say(b"S", json.dumps(STATUS).encode())')["outcome"]["kind"] == "ok"
    assert not (local.folder / RESULT).exists()


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        ("sys.exit(3)", "unavailable", "ended without a word (exit status 3)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "guest_error", "(exit status 137)"),
        ('say(b"Z", b"")', "guest_error", "There is no frame of type b'Z'"),
        ('say(b"O", b"x")', "guest_error", "a frame of type b'O'"),
        ('say(b"S", b"[]")', "guest_error", "must be a JSON object"),
        ('STATUS["outcome"]["kind"] = "busy"; ' + GOOD, "guest_error", "no outcome that a guest"),
        ('STATUS["run_seconds"] = "long"; ' + GOOD, "ok", ""),
        ('STATUS["outcome"].update(kind="exited", code=3); ' + GOOD, "exited", ""),
    ],
)
def test_an_ending_is_judged_as_in_a_sandbox(
    local: Local, program: str, kind: str, words: str
) -> None:
    outcome = local.run(program)["outcome"]
    assert outcome["kind"] == kind
    assert words in outcome["message"]
    assert (local.folder / RESULT).exists() == (kind in ("ok", "exited"))


@pytest.mark.parametrize("most", [1000, 1 << 20])
def test_a_flood_of_output_ends_the_run(local: Local, most: int) -> None:
    program = 'while True: os.write(2, b"x" * 5000)'
    outcome = local.run(program, output_bytes=most)["outcome"]
    assert (outcome["kind"], outcome["code"]) == ("output", None)
    assert "printed more than" in outcome["message"]
    assert (local.folder / OUTPUT).stat().st_size == most
    assert not (local.folder / RESULT).exists()


def test_output_up_to_the_limit_is_allowed(local: Local) -> None:
    report = local.run('os.write(2, b"x" * 1000); ' + GOOD, output_bytes=1000)
    assert report["outcome"]["kind"] == "ok"


def test_a_flood_of_results_ends_the_run(local: Local) -> None:
    outcome = local.run('while True: say(b"R", bytes(5000))', result_bytes=1 << 20)["outcome"]
    assert outcome["kind"] == "result_size"
    assert not (local.folder / RESULT).exists()


def test_a_run_that_takes_too_long_is_ended(local: Local) -> None:
    outcome = local.run("time.sleep(60)", limit=0.5)["outcome"]
    assert outcome["kind"] == "wall_time" and "0.5 s" in outcome["message"]


def test_a_guest_that_ends_before_it_is_fed(local: Local) -> None:
    """Its bundle comes from a pipe, into which nothing is written before the guest has ended."""
    pid, bundle = local.folder / "pid", local.folder / BUNDLE
    bundle.unlink()
    os.mkfifo(bundle)

    def has_ended() -> bool:
        stat = Path("/proc", pid.read_text(), "stat") if pid.exists() else None
        return stat is not None and (not stat.exists() or ") Z " in stat.read_text())

    def feed() -> None:
        with bundle.open("wb") as stream:
            assert wait_until(has_ended, 30)
            stream.write(b"little")

    feeder = threading.Thread(target=feed)
    feeder.start()
    program = f"open({str(pid)!r} + 'x', 'w').write(str(os.getpid()))"
    report = local.run(f"{program}; os.rename({str(pid)!r} + 'x', {str(pid)!r}); sys.exit(3)")
    feeder.join(30)
    assert report["outcome"]["kind"] == "unavailable"

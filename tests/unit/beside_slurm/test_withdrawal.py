"""When a worker takes itself out of service, and when it comes back."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.beside_slurm import scontrol, withdrawal
from cfiddle_slurm.beside_slurm.withdrawal import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    SILENT,
    STALE_SECONDS,
    Pauses,
    Word,
    decide,
    read_word,
)
from cfiddle_slurm.process import CommandTimeout, Completed, ProcessError
from cfiddle_slurm.sandbox.daemon.readiness import LEAST_INODES, Readiness, disk_trouble
from cfiddle_slurm.sandbox.protocol import READY
from cfiddle_slurm.slurm_states import Node

OURS = "cfiddle: Docker does not answer"


@pytest.mark.parametrize(
    ("state", "reason", "cause", "action"),
    [
        ("idle", "", None, None),
        ("idle", "", "Docker does not answer", ("DRAIN", OURS)),
        ("allocated", "", "Docker does not answer", ("DRAIN", OURS)),
        ("idle+drain", OURS, "Docker does not answer", None),
        ("idle+drain", OURS, "the disk is full", ("DRAIN", "cfiddle: the disk is full")),
        ("idle+drain", OURS, None, ("RESUME", "")),
        ("idle+drain", "cfiddle: being replaced", None, ("RESUME", "")),
        ("idle+drain", "Prolog error", None, ("RESUME", "")),
        ("idle+drain", "Prolog error", "Docker does not answer", ("DRAIN", OURS)),
        # A person's word is neither replaced nor taken back.
        ("idle+drain", "fan broken", None, None),
        ("idle+drain", "fan broken", "Docker does not answer", None),
        ("allocated+drain", "fan broken", "being replaced", None),
        ("down", "moved to the cellar", None, None),
        # It comes back by registering.
        ("down+not_responding", "Not responding", None, None),
        ("idle", "", 'bad "words" [x@y] a=b', ("DRAIN", "cfiddle: bad words x@y ab")),
    ],
)
def test_what_is_asked_of_slurm(
    state: str, reason: str, cause: str | None, action: tuple[str, str] | None
) -> None:
    assert decide(Node("w1", state, "", reason), cause) == action


def test_slurms_own_reasons_are_taken_back_less_and_less_often() -> None:
    pauses, now, waits = Pauses(), 0.0, []
    for _ in range(9):
        began = now
        while not pauses.allow(now):
            now += 1.0
        waits.append(now - began)
        now += 5.0
    assert waits[0] == FIRST_PAUSE and waits == sorted(waits) and waits[-1] == LONGEST_PAUSE
    now += 10_000
    assert not pauses.allow(now) and pauses.allow(now + FIRST_PAUSE), "that was long ago"


def test_a_word_is_read_and_grows_old(tmp_path: Path) -> None:
    file = tmp_path / "state"
    word = Word(file)
    assert word.look(0.0, busy=False) is None, "nobody knows yet"
    Readiness(file).say(None)
    assert word.look(1.0, busy=False) == READY
    assert word.look(1.0 + STALE_SECONDS, busy=False) == READY
    assert word.look(2.0 + STALE_SECONDS, busy=False) == SILENT
    assert word.look(100.0, busy=True) == READY, "it is silent while an experiment runs"
    assert word.look(101.0, busy=False) == READY
    Readiness(file).say("Docker\x1b does not\nanswer")
    assert word.look(102.0, busy=False) == "Docker\\x1b does not answer"
    Readiness(file).end()
    assert word.look(103.0, busy=False) is None
    assert word.look(104.0 + STALE_SECONDS, busy=False) == SILENT


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "empty", "large"])
def test_a_word_may_be_anything(tmp_path: Path, what: str) -> None:
    file = tmp_path / "state"
    if what == "link":
        file.symlink_to("/etc/passwd")
    elif what == "fifo":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"" if what == "empty" else b"\xff" * (1 << 20))
    text, _ = read_word(file)
    assert text is None or len(text) < 1000


def test_what_is_wrong_with_a_disk() -> None:
    assert disk_trouble(1 << 30, LEAST_INODES, 1 << 28) is None
    assert "100 MiB free, 256 needed" in str(disk_trouble(100 << 20, LEAST_INODES, 1 << 28))
    assert "7 inodes" in str(disk_trouble(1 << 30, 7, 1 << 28))


class Slurm:
    """Answers for scontrol, and remembers what was asked."""

    def __init__(self, state: str, reason: str = "") -> None:
        self.show = f"NodeName=w1 State={state}" + (
            f" Reason={reason} [root@now]" if reason else ""
        )
        self.status, self.stderr = 0, ""
        self.updates: list[list[str]] = []

    def run(self, arguments: list[str], **options: object) -> Completed:
        if "update" in arguments:
            self.updates.append(arguments[3:])
        return Completed(tuple(arguments), self.status, self.show, self.stderr)


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    made = Slurm("IDLE")
    monkeypatch.setattr(process, "run", made.run)
    monkeypatch.setattr(socket, "gethostname", lambda: "w1")
    return made


def test_a_worker_withdraws_itself_at_a_jobs_end(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [(None, 0)]
    monkeypatch.setattr(withdrawal, "read_word", lambda: said[0])
    assert withdrawal.main(["withdraw"]) == 0
    said[0] = (READY, 1)  # type: ignore[assignment]
    slurm.show = "NodeName=w1 State=IDLE+DRAIN Reason=cfiddle: being replaced [root@now]"
    assert withdrawal.main(["withdraw"]) == 0
    assert slurm.updates == [], "what is being replaced is not brought back by its last job"
    said[0] = ("Docker does not answer", 1)  # type: ignore[assignment]
    slurm.show = "NodeName=w1 State=ALLOCATED"
    assert withdrawal.main(["withdraw"]) == 0
    assert slurm.updates == [["State=DRAIN", f"Reason={OURS}"]]
    assert withdrawal.main(["withdraw", "being replaced"]) == 0
    assert slurm.updates[-1] == ["State=DRAIN", "Reason=cfiddle: being replaced"]


@pytest.mark.parametrize(
    ("show", "update"),
    [
        ("State=ALLOCATED", ["State=DOWN", "Reason=cfiddle: restarted"]),
        ("State=ALLOCATED+DRAIN Reason=fan broken [a@b]", ["State=DOWN", "Reason=fan broken"]),
        ("State=IDLE+DRAIN Reason=fan broken [a@b]", None),
        ("State=IDLE", None),
    ],
)
def test_lost_jobs_are_forgotten_and_a_persons_reason_is_not(
    slurm: Slurm, show: str, update: list[str] | None
) -> None:
    slurm.show = f"NodeName=w1 {show}"
    assert withdrawal.main(["forget"]) == 0
    assert slurm.updates == ([update] if update else [])


def test_slurm_does_not_answer(slurm: Slurm, capsys: pytest.CaptureFixture[str]) -> None:
    slurm.status, slurm.stderr = 1, "slurm_load_node error: Unable to contact slurm controller"
    assert withdrawal.main(["withdraw", "x"]) == 1
    assert "Unable to contact" in capsys.readouterr().err
    slurm.stderr = "Node w1 not found"
    slurm.show = ""
    assert withdrawal.main(["withdraw", "x"]) == 0, "it is not registered yet"
    assert withdrawal.main(["dance"]) == 2


class Enough(Exception):
    """Ends a watch."""


def test_a_watch_settles_what_changes(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = iter([None, READY, READY, "Docker does not answer", "Docker does not answer", READY])
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def look(self: Word, now: float, *, busy: bool) -> str | None:
        try:
            return next(words)
        except StopIteration:
            raise Enough from None

    monkeypatch.setattr(withdrawal, "has_job", lambda: False)
    monkeypatch.setattr(withdrawal, "spool_cause", lambda: None)
    monkeypatch.setattr(withdrawal, "note_address", lambda: None)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Word, "look", look)
    with pytest.raises(Enough):
        withdrawal.watch("w1")
    assert slurm.updates == [["State=DRAIN", f"Reason={OURS}"]], "asked once for each change"


def test_a_watch_is_kept_whatever_it_dies_of_and_ends_with_its_keeper(
    commands: Callable[[str, str], Path], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    asked = commands("python3", f'echo $$ >>"{pids}"; exec sleep 600')
    program = f"import {withdrawal.__name__} as w; w.AGAIN_SECONDS = 0.01; w.keep_watch()"
    keeper = process.start([sys.executable, "-c", program])

    def watches(count: int) -> list[int]:
        give_up = time.monotonic() + 60
        while not pids.exists() or len(pids.read_text().split()) < count:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        return [int(pid) for pid in pids.read_text().split()]

    try:
        os.kill(watches(1)[0], signal.SIGKILL)
        second = watches(2)[1]
        keeper.terminate()
        assert keeper.wait(60) == 0
        # An orphan's end is told to whoever adopts it; what is left of it here is no watch.
        state = Path(f"/proc/{second}/stat")
        assert not state.exists() or state.read_text().rpartition(") ")[2].startswith("Z")
    finally:
        keeper.kill()
        keeper.wait()
    words = "-I -m cfiddle_slurm.beside_slurm.withdrawal watch"
    assert set(asked.read_text().splitlines()) == {words}


def test_slurmds_own_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert withdrawal.spool_cause(tmp_path) is None
    assert "cannot be used" in str(withdrawal.spool_cause(tmp_path / "none"))
    monkeypatch.setattr(withdrawal, "LEAST_SPOOL", 1 << 62)
    assert withdrawal.spool_cause(tmp_path) == "slurmd's spool is full"
    assert not withdrawal.has_job(tmp_path)
    (tmp_path / "7").touch()
    assert withdrawal.has_job(tmp_path)


def test_an_update_that_slurm_refuses_is_an_error(slurm: Slurm) -> None:
    slurm.status = 1
    with pytest.raises(ProcessError):
        withdrawal.update("w1", "RESUME", "")


CONFIGURATION = "ClusterName=x\nSlurmctldHost=controller\nSlurmctldTimeout=60\n"


def test_the_controllers_address_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = iter(["10.0.1.5", "10.0.1.9"])
    monkeypatch.setattr(socket, "gethostbyname", lambda name: next(addresses))
    fetched, noted = tmp_path / "slurm.conf", tmp_path / "noted" / "slurm.conf"
    scontrol.note_address(fetched, noted)
    assert not noted.exists(), "nothing was fetched yet"
    fetched.write_text(CONFIGURATION)
    for address in ("10.0.1.5", "10.0.1.9"):
        scontrol.note_address(fetched, noted)
        assert noted.read_text() == CONFIGURATION.replace("=controller", f"=controller({address})")


def test_scontrol_asks_once_more_by_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def run(arguments: list[str], timeout: float, env: dict[str, str] | None = None) -> Completed:
        asked.append(env["SLURM_CONF"] if env else None)
        if env is None:
            raise CommandTimeout("scontrol did not end")
        return Completed(tuple(arguments), 0, "", "")

    monkeypatch.setattr(process, "run", run)
    noted = tmp_path / "slurm.conf"
    with pytest.raises(CommandTimeout):
        scontrol.scontrol("ping", noted=noted)
    noted.touch()
    assert scontrol.scontrol("ping", noted=noted).status == 0
    assert asked == [None, None, str(noted)]

"""One administrator at a time; who it is, is said to the next one."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts import lock
from cfiddle_slurm.cluster.hosts.lock import Busy, held
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, Unreachable
from tests.patience import wait_for
from tests.unit.cluster.conftest import HEAD, WORKER, Program

HOLDER = """
import sys, time
from cfiddle_slurm.cluster.hosts import lock
from cfiddle_slurm.cluster.hosts.machines import Machine
lock._PLACE = sys.argv[1]
with lock.held(Machine(), "worker add"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of the test's own."""
    found = tmp_path / "place"
    found.mkdir()
    monkeypatch.setattr(lock, "_PLACE", str(found))
    monkeypatch.setattr(lock, "_SCRIPT", lock._SCRIPT.replace("--timeout 3", "--timeout 1"))
    return found


def test_the_second_is_told_who_is_the_first() -> None:
    with (
        held(HEAD, "up"),
        pytest.raises(
            Busy,
            match=r"^Another command is changing the cluster on this machine: \S+@\S+ has run"
            r" `up` since \d\d:\d\d:\d\d \(process \d+\)\. Wait until it has finished\.$",
        ),
        held(HEAD, "down"),
    ):
        raise AssertionError("both have it")
    with held(HEAD, "down"):
        pass


def test_it_ends_with_a_holder_that_is_killed(place: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(place)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy, match="has run `worker add` since"), held(HEAD, "up"):
            raise AssertionError("both have it")
        holder.send_signal(signal.SIGKILL)

    def is_free() -> bool:
        try:
            with held(HEAD, "up"):
                return True
        except Busy:
            return False

    wait_for(is_free, "the lock is free")


def test_another_place_is_another_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(HEAD, "worker add"):
        other = tmp_path / "other"
        other.mkdir()
        monkeypatch.setattr(lock, "_PLACE", str(other))
        with held(HEAD, "up"), pytest.raises(Busy, match="has run `up`"), held(HEAD, "down"):
            raise AssertionError("both have it")


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), held(HEAD, "up"):
        raise KeyError
    with held(HEAD, "up"):
        pass


def test_a_long_command_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock, "_HOLD", lock._HOLD.replace("120", "0.5"))
    with held(HEAD, "up"):
        time.sleep(1.5)
        with pytest.raises(Busy), held(HEAD, "down"):
            raise AssertionError("both have it")


def test_a_silent_holder_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    # As when its machine has lost its power, and the connection does not know.
    monkeypatch.setattr(lock, "_HOLD", lock._HOLD.replace("120", "0.3"))
    with held(HEAD, "up"), held(HEAD, "down"):  # the second has patience for longer than that
        pass


def test_another_machines_is_held_through_a_connection_of_its_own(
    ssh: Program, programs: Path
) -> None:
    Program(programs, "sudo").answers("*", 'shift; exec "$@"', reads=False)
    ssh.answers("*", 'for last; do :; done; exec sh -c "$last"', reads=False)
    with held(Machine("w1", "admin"), "up"):
        pass
    (call,) = ssh.calls
    assert {"ControlMaster=no", "ControlPath=none", "BatchMode=yes", "admin@w1"} <= set(call)
    assert call[-1].startswith("sudo --non-interactive sh -c ")


def test_a_head_out_of_reach_is_told(ssh: Program) -> None:
    ssh.answers("*", "echo 'ssh: connect: No route to host' >&2; exit 255", reads=False)
    with (
        pytest.raises(Unreachable, match=r"^w1 cannot be reached .*: it does not answer\.$"),
        held(WORKER, "up"),
    ):
        raise AssertionError("nobody has it")


def test_a_head_without_the_program_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))
    with (
        pytest.raises(MachineError, match=r"could not be taken: flock \(util-linux\) is missing"),
        held(HEAD, "up"),
    ):
        raise AssertionError("nobody has it")

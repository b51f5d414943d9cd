"""A process that waits for runs is heard of; one that is gone is not."""

import os
import threading
import time
from pathlib import Path

import pytest

from cfiddle_slurm import heartbeat
from cfiddle_slurm.bundle.layout import OWNER
from cfiddle_slurm.heartbeat import Heart
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.sandbox.claim import BEAT_SECONDS, BEATS, SILENT_SECONDS
from tests.patience import wait_until


@pytest.fixture
def heart(monkeypatch: pytest.MonkeyPatch) -> Heart:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    return Heart()


def is_touched(file: Path) -> bool:
    os.utime(file, (0, 0))
    return wait_until(lambda: file.stat().st_mtime > 0, 5)


def beating() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "cfiddle-heartbeat"]


def test_a_file_is_touched_until_it_is_no_more_to_be(heart: Heart, tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    before = len(beating())
    for file in files:
        file.touch()
        assert heart.begin(file)
    assert all(is_touched(file) for file in files)
    assert len(beating()) == before + 1
    files[0].unlink()  # what is gone keeps no other from being touched
    assert is_touched(files[2])
    for file in files:
        heart.end(file)
    assert wait_until(lambda: len(beating()) == before, 5)
    os.utime(files[1], (0, 0))
    time.sleep(0.1)
    assert files[1].stat().st_mtime == 0
    assert heart.begin(files[1]) and is_touched(files[1])
    heart.end(files[1])


def test_without_a_thread_nothing_is_promised(
    heart: Heart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        assert not heart.begin(tmp_path)
        made = JobDirectory.create(tmp_path, "a" * 16)
        assert BEATS not in (made.path / OWNER).read_text()
    assert heart.begin(tmp_path)
    heart.end(tmp_path)


def test_a_fork_does_not_speak_for_its_parent(heart: Heart, tmp_path: Path) -> None:
    assert heart.begin(tmp_path)
    heart.forget()  # as in the child
    assert heart._files == set()
    assert heart.begin(tmp_path)
    heart.end(tmp_path)


def test_a_run_is_heard_of_until_it_is_over(tmp_path: Path) -> None:
    runs = [JobDirectory.create(tmp_path, f"{number:016x}") for number in range(2)]
    owners = {run.path / OWNER for run in runs}
    assert all(owner.read_text().endswith(f"\n{BEATS}\n") for owner in owners)
    assert owners <= heartbeat.heart._files
    runs[0].remove()
    runs[1].keep("It failed.", 5)
    assert not owners & heartbeat.heart._files
    silent = JobDirectory.create(tmp_path, "b" * 16, beats=False)
    assert BEATS not in (silent.path / OWNER).read_text()
    silent.remove()


def test_one_beat_that_is_late_is_no_silence() -> None:
    assert SILENT_SECONDS >= 4 * BEAT_SECONDS

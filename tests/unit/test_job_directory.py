"""A run's directory: private, staged in order, kept or removed."""

import errno
import json
import os
import re
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.bundle.archive import BundleError, Member
from cfiddle_slurm.bundle.layout import (
    BUNDLE,
    FAILED,
    OUTPUT,
    OWNER,
    REPORT,
    REQUEST,
    STARTED,
)
from cfiddle_slurm.errors import HomeUnwritable, InputError, SettingsError
from cfiddle_slurm.job_directory import JobDirectory, new_run_id
from cfiddle_slurm.sandbox.protocol import ProtocolError

MEMBERS = (Member("manifest.json", b"{}"),)


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory.create(tmp_path / "jobs", "0123456789abcdef")


def test_run_ids_are_16_digits_and_never_the_same() -> None:
    found = {new_run_id() for _ in range(200)}
    assert len(found) == 200
    assert all(re.fullmatch("[0-9a-f]{16}", run_id) for run_id in found)


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = JobDirectory.create(tmp_path / "new" / "jobs", "a")
    finally:
        os.umask(before)
    for path in (directory.path, directory.path.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_directory_is_used_once(directory: JobDirectory) -> None:
    with pytest.raises(SettingsError, match="cannot be used: File exists"):
        JobDirectory.create(directory.path.parent, directory.path.name)


def test_a_jobs_directory_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "jobs"):
        with pytest.raises(SettingsError, match="cannot be used") as caught:
            JobDirectory.create(place, "a")
        assert "Set jobs_directory" in caught.value.hint and str(place) in caught.value.message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_home_that_takes_nothing_is_named(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    assert directory.trouble() is None
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HomeUnwritable, match=r"The shared home is (full|read-only)"):
        directory.stage(MEMBERS, {})
    assert isinstance(directory.trouble(), HomeUnwritable)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(HomeUnwritable):
        JobDirectory.create(directory.path.parent, "b")


def test_a_run_is_taken_by_a_job_or_taken_back(directory: JobDirectory) -> None:
    assert directory.take_back()
    assert directory.take_back() and directory.started_job() is None
    (directory.path / STARTED).write_text('{"job_id": "7"}')
    assert not directory.take_back() and directory.started_job() == "7"


def test_it_is_abandoned_when_its_process_is_gone(directory: JobDirectory) -> None:
    # A file that is open twice has two locks, as if of two processes (flock(2)).
    other = JobDirectory(directory.path)
    assert not other.is_abandoned()
    os.truncate(directory.path / OWNER, 0)
    directory._disown()
    assert not other.is_abandoned(), "it is just being made"
    (directory.path / OWNER).write_text(f"1 {os.uname().nodename}\n")
    assert other.is_abandoned()
    (directory.path / OWNER).write_text("1 elsewhere\n")
    assert not other.is_abandoned()
    os.utime(directory.path / OWNER, (0, 100))
    assert other.is_abandoned()
    directory.keep("It failed.", 5)
    assert not other.is_abandoned(), "it is kept for a look"
    (directory.path / FAILED).unlink()
    (directory.path / OWNER).unlink()
    assert not other.is_abandoned()


def test_bundle_and_request_are_staged(directory: JobDirectory) -> None:
    directory.stage(MEMBERS, {"run_id": "a"})
    with tarfile.open(directory.path / BUNDLE) as tar:
        assert tar.getnames() == ["manifest.json"]
    assert json.loads((directory.path / REQUEST).read_bytes()) == {"run_id": "a"}


def test_without_a_whole_bundle_there_is_no_request(
    directory: JobDirectory, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"could not be prepared: .*No such file") as caught:
        directory.stage([*MEMBERS, Member("files/a", tmp_path / "none")], {})
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BundleError, match="not a regular file"):
        directory.stage([*MEMBERS, Member("files/a", tmp_path / "pipe")], {})
    assert not (directory.path / REQUEST).exists()


def test_it_has_started_when_the_worker_says_so(directory: JobDirectory) -> None:
    assert not directory.has_started()
    (directory.path / STARTED).touch()
    assert directory.has_started()
    assert not JobDirectory(directory.path / STARTED).has_started()


def test_a_report_is_there_or_not(directory: JobDirectory) -> None:
    assert directory.report() is None
    (directory.path / REPORT).write_text('{"outcome": {"kind": "ok"}}')
    assert directory.report() == {"outcome": {"kind": "ok"}}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff", b"NaN", b"[" * 10_000, b'{"a":"' + b"x" * (2 << 20)]
)
def test_what_is_no_report_is_said(directory: JobDirectory, raw: bytes) -> None:
    (directory.path / REPORT).write_bytes(raw)
    with pytest.raises(ProtocolError):
        directory.report()


def test_all_times_are_the_file_servers(directory: JobDirectory) -> None:
    directory.stage(MEMBERS, {})
    os.utime(directory.path / REQUEST, (0, 100))
    submitted, started, over, asked = directory.times()
    assert (submitted, started, over) == (100, None, None)
    assert asked == (directory.path / REQUEST).stat().st_mtime > 100
    for name, seconds in ((REQUEST, 100), (STARTED, 102.5), (REPORT, 107)):
        (directory.path / name).touch()
        os.utime(directory.path / name, (0, seconds))
    assert directory.times()[:3] == (100, 102.5, 107)


def test_refreshing_leaves_no_trace(directory: JobDirectory) -> None:
    directory.refresh()
    assert directory.trouble() is None
    assert os.listdir(directory.path) == [OWNER]
    directory.remove()
    directory.refresh()
    assert not directory.path.exists()


def test_output_is_read_in_pieces(directory: JobDirectory) -> None:
    assert directory.output_since(0, 10) == b""
    (directory.path / OUTPUT).write_bytes(b"0123456789")
    assert directory.output_since(0, 4) == b"0123"
    assert directory.output_since(4, 100) == b"456789"
    assert directory.output_since(10, 100) == b""
    assert directory.output_since(500, 100) == b""


def test_removing_follows_no_link_and_may_be_repeated(
    directory: JobDirectory, tmp_path: Path
) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (directory.path / "link").symlink_to(tmp_path / "precious")
    (directory.path / "sub" / "deep").mkdir(parents=True)
    directory.remove()
    directory.remove()
    assert not directory.path.exists()
    assert os.listdir(tmp_path / "precious") == ["file"]


@pytest.fixture
def failed(tmp_path: Path) -> Callable[[str, float], JobDirectory]:
    """``failed(name, time)`` makes the directory of a run that failed at a time."""

    def make(name: str, time: float) -> JobDirectory:
        made = JobDirectory.create(tmp_path / "jobs", name)
        (made.path / FAILED).touch()
        os.utime(made.path / FAILED, (0, time))
        return made

    return make


def test_the_newest_failures_are_kept(
    failed: Callable[[str, float], JobDirectory], directory: JobDirectory
) -> None:
    # Neither their names nor the order in which they were made tell which are the newest.
    for name, time in (("c", 10), ("a", 30), ("b", 20), ("d", 40)):
        failed(name, time)
    directory.keep("It crashed.", 3)
    assert (directory.path / FAILED).read_text() == "It crashed.\n"
    jobs = directory.path.parent
    assert sorted(os.listdir(jobs)) == sorted([directory.path.name, "a", "d"])
    directory.keep("It crashed.", 0)
    assert os.listdir(jobs) == []


def test_what_is_no_failed_run_is_never_removed(
    directory: JobDirectory, failed: Callable[[str, float], JobDirectory], tmp_path: Path
) -> None:
    jobs = directory.path.parent
    running = JobDirectory.create(jobs, "running")
    (jobs / "notes.txt").touch()
    (jobs / "elsewhere").symlink_to(failed("old", 1).path.rename(tmp_path / "moved"))
    directory.keep("reason", 0)
    assert sorted(os.listdir(jobs)) == ["elsewhere", "notes.txt", "running"]
    assert running.path.is_dir() and FAILED in os.listdir(tmp_path / "moved")


def test_a_directory_that_cannot_be_looked_into_hides_no_failure(directory: JobDirectory) -> None:
    # Whatever the reason: here a link to itself, elsewhere a stale handle or another's directory.
    other = JobDirectory.create(directory.path.parent, "other")
    (other.path / FAILED).symlink_to(FAILED)
    directory.keep("reason", 5)
    assert (directory.path / FAILED).exists() and other.path.exists()

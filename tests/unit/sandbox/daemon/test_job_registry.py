"""Registrations: only what the owner wrote, and only for the user it names."""

import json
import os
from pathlib import Path

import pytest

from cfiddle_slurm.sandbox.daemon.job_registry import NotRegistered, Registry, is_job_id

ME = os.geteuid()


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    folder.mkdir(mode=0o755)
    return folder


def enter(jobs: Path, job_id: str, content: object = None) -> Path:
    path = jobs / job_id
    path.write_text(content if isinstance(content, str) else json.dumps(content or {"uid": 1000}))
    path.chmod(0o644)
    return path


def test_a_registered_job(jobs: Path) -> None:
    enter(jobs, "12")
    registry = Registry(jobs, ME)
    registry.check("12", 1000)
    assert registry.holds("12", 1000)


def test_another_users_job(jobs: Path) -> None:
    enter(jobs, "12")
    with pytest.raises(NotRegistered, match="does not belong to user 1001"):
        Registry(jobs, ME).check("12", 1001)


def test_a_job_that_ended(jobs: Path) -> None:
    path = enter(jobs, "12")
    registry = Registry(jobs, ME)
    path.unlink()
    assert not registry.holds("12", 1000)
    with pytest.raises(NotRegistered, match="not running on this node"):
        registry.check("12", 1000)


def test_no_registrations_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotRegistered):
        Registry(tmp_path / "none", ME).check("12", 1000)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"uid": "1000"}', '{"uid": true}', '{"uid": -1}', '{"uid": 1e3}', "\0"],
)
def test_a_broken_registration(jobs: Path, content: str) -> None:
    enter(jobs, "12", content or "{}")
    with pytest.raises(NotRegistered):
        Registry(jobs, ME).check("12", 1000)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_registration_others_can_write(jobs: Path, mode: int) -> None:
    enter(jobs, "12").chmod(mode)
    with pytest.raises(NotRegistered, match="not trusted"):
        Registry(jobs, ME).check("12", 1000)


def test_a_directory_others_can_write(jobs: Path) -> None:
    enter(jobs, "12")
    jobs.chmod(0o777)
    with pytest.raises(NotRegistered, match="not trusted"):
        Registry(jobs, ME).check("12", 1000)


def test_a_registration_of_another_owner(jobs: Path) -> None:
    enter(jobs, "12")
    with pytest.raises(NotRegistered, match="not trusted"):
        Registry(jobs, ME + 1).check("12", 1000)


def test_links_and_fifos_are_not_followed(jobs: Path, tmp_path: Path) -> None:
    target = enter(tmp_path, "elsewhere")
    (jobs / "12").symlink_to(target)
    os.mkfifo(jobs / "13", 0o644)
    (jobs / "14").mkdir()
    for job_id in ("12", "13", "14"):
        with pytest.raises(NotRegistered):
            Registry(jobs, ME).check(job_id, 1000)


@pytest.mark.parametrize(
    "job_id", ["", "0", "01", "-1", "1 ", "../1", "1/2", "a", "1\n", "٣", "1" * 30, 12, None]
)
def test_what_is_no_job_id(jobs: Path, job_id: object) -> None:
    assert not is_job_id(job_id)
    assert not Registry(jobs, ME).holds(str(job_id) if job_id != 12 else "", 1000)

"""The database is set up as Slurm needs it, and accounting does not start on another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.services import stack

from .conftest import HEAD, SECONDS, docker, in_service

NEEDED = {
    "innodb_snapshot_isolation": "0", "innodb_lock_wait_timeout": "900",
    "innodb_buffer_pool_size": f"{2 << 30}", "innodb_log_file_size": f"{64 << 20}",
    "max_allowed_packet": f"{16 << 20}", "max_connections": "200", "connect_timeout": "5",
    "default_storage_engine": "InnoDB",
}  # fmt: skip


def in_database(statement: str) -> str:
    return in_service("database", "mariadb", "--skip-column-names", f"--execute={statement}")


def test_the_database_has_what_slurm_asks_for() -> None:
    found = in_database("SELECT " + ", ".join(f"@@GLOBAL.{name}" for name in NEEDED)).split()
    assert dict(zip(NEEDED, found, strict=True)) == NEEDED
    logs = ["docker", "logs", stack.container_on(HEAD, "accounting")]
    said = process.run(logs, timeout=SECONDS).stderr
    assert "MySQL server version" in said
    assert "not recommended" not in said


@pytest.fixture
def snapshot_isolation() -> Iterator[None]:
    in_database("SET GLOBAL innodb_snapshot_isolation = 1")
    yield
    in_database("SET GLOBAL innodb_snapshot_isolation = 0")


@pytest.mark.usefixtures("snapshot_isolation")
def test_accounting_names_what_is_wrong_and_does_not_start(tmp_path: Path) -> None:
    accounting = stack.container_on(HEAD, "accounting")
    files = ("/run/secrets/cfiddle_database_password",
             "/usr/local/share/cfiddle-slurm/slurm.conf")  # fmt: skip
    for file in files:
        place = tmp_path / file.lstrip("/")
        place.parent.mkdir(parents=True)
        place.write_text(in_service("accounting", "cat", file))
    # A second one on the first one's network.
    image = docker("inspect", "--format={{.Config.Image}}", accounting)
    second = docker("create", f"--network=container:{accounting}", image, "accounting")
    try:
        docker("cp", f"{tmp_path}/.", f"{second}:/")
        done = process.run(["docker", "start", "--attach", second], timeout=SECONDS)
    finally:
        docker("rm", "--force", second)
    assert done.status == 1
    assert "not set up as Slurm needs it. Found: innodb_snapshot_isolation 1." in done.stderr
    password = (tmp_path / files[0].lstrip("/")).read_text()
    assert password not in done.stderr + done.stdout

"""The database is set up as Slurm needs it, and accounting does not start on another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster import stack

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
    inside = "/run/secrets/cfiddle_database_password"
    password = tmp_path / "password"
    password.write_text(in_service("accounting", "cat", inside))
    accounting = stack.container_on(HEAD, "accounting")
    image = docker("inspect", "--format={{.Config.Image}}", accounting)
    configuration = tmp_path / "slurm.conf"
    place = "/usr/local/share/cfiddle-slurm/slurm.conf"
    configuration.write_text(in_service("accounting", "cat", place))
    # A second one on the first one's network.
    done = process.run(
        [
            "docker", "run", "--rm", f"--network=container:{accounting}",
            f"--volume={password}:{inside}:ro", f"--volume={configuration}:{place}:ro",
            image, "accounting",
        ],
        timeout=SECONDS,
    )  # fmt: skip
    assert done.status == 1
    assert "not set up as Slurm needs it. Found: innodb_snapshot_isolation 1." in done.stderr
    assert password.read_text() not in done.stderr + done.stdout

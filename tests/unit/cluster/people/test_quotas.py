"""Quotas of the homes: the programs are stand-ins, the scripts run in a real shell."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster.health import check
from cfiddle_slurm.cluster.people import quotas
from cfiddle_slurm.cluster.site.config import Config
from tests.unit.cluster.conftest import HEAD, Program

GIB = 1 << 30
BIND = Config(head="h", workers=("w1",), home="bind", home_path="/shared", home_quota=10 * GIB)
REPORT = """\
User,BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,FileUsed
#0,ok,ok,20,0,0,,3
#1100,ok,ok,2048,0,10485760,,7
#1102,-,ok,x,0,0,,7
"""


@pytest.fixture
def disk(programs: Path) -> dict[str, Program]:
    """A file system with user quotas, and the programs for them."""
    found = {name: Program(programs, name) for name in ("df", "awk", "setquota", "repquota")}
    found["df"].answers("*", "echo Mounted; echo /shared")
    found["awk"].answers("*", "echo rw,relatime,usrquota")
    found["setquota"].answers("*", reads=False)
    found["repquota"].answers("*", f"printf '%s' '{REPORT}'", reads=False)
    return found


def test_each_account_is_limited_in_bytes_and_files(disk: dict[str, Program]) -> None:
    assert quotas.apply(HEAD, BIND, [1100, 1102]) == ""
    assert disk["setquota"].lines == [
        f"-u {uid} 0 10485760 0 2621440 /shared" for uid in (1100, 1102)
    ]


def test_without_a_setting_nothing_is_asked(disk: dict[str, Program], docker: Program) -> None:
    assert quotas.apply(HEAD, Config(), [1100]) == ""
    assert (docker.calls, disk["setquota"].calls) == ([], [])


def test_the_volume_of_one_machine_is_found(disk: dict[str, Program], docker: Program) -> None:
    docker.answers("volume inspect *", "echo /var/lib/docker/volumes/x")
    assert quotas.apply(HEAD, Config(home_quota=GIB), [1100]) == ""
    assert disk["df"].lines == ["--output=target -- /var/lib/docker/volumes/x"]


@pytest.mark.parametrize("options", ["rw,relatime", "", "rw,uqnoenforce", "rw,noquota"])
def test_a_file_system_without_quotas_is_told(disk: dict[str, Program], options: str) -> None:
    disk["awk"].answers("*", f"echo {options}")
    assert quotas.apply(HEAD, BIND, [1100]) == (
        "home_quota is not in force: the file system /shared has no user quotas: mount it with the"
        " option usrquota."
    )
    assert disk["setquota"].calls == []


def test_what_setquota_refuses_is_told(disk: dict[str, Program]) -> None:
    disk["setquota"].answers("*", "echo 'setquota: Cannot set quota' >&2; exit 1", reads=False)
    words = "home_quota is not in force: setquota: Cannot set quota."
    assert quotas.apply(HEAD, BIND, [1100]) == words


def test_anothers_homes_cannot_be_limited_from_here(disk: dict[str, Program]) -> None:
    config = Config(home="nfs", nfs_server="nas", home_quota=GIB)
    assert quotas.apply(HEAD, config, [1100]).startswith(
        "home_quota is not in force: the homes are on nas"
    )
    assert disk["setquota"].calls == []


def test_what_homes_hold_is_asked_of_the_quotas(disk: dict[str, Program], docker: Program) -> None:
    docker.answers("run * list", "echo ann:x:1100:1100::/home/ann:/bin/bash")
    assert quotas.usage(HEAD, BIND) == {"ann": 2 << 20}
    disk["awk"].answers("*", "echo rw")
    docker.answers("run * usage", "echo '{\"ann\": 7}'")
    assert quotas.usage(HEAD, BIND) == {"ann": 7}


def test_a_report_is_bytes_by_uid() -> None:
    assert quotas.parse_report(REPORT) == {0: 20 << 10, 1100: 2 << 20}
    assert quotas.parse_report("") == quotas.parse_report("*** Report for\n\n#1,2\n") == {}


ON = {"home_disk": "/shared", "home_options": "rw,usrquota", "docker_disk": "/"}


@pytest.mark.parametrize(
    ("facts", "config", "level", "found"),
    [
        (ON, BIND, check.Level.FINE, "in force on /shared"),
        (ON, Config(), check.Level.WARNING, "possible, but not set"),
        ({**ON, "home_options": "rw"}, BIND, check.Level.WARNING, "none on /shared"),
        ({**ON, "home_options": "rw", "docker_disk": "/shared"}, BIND, check.Level.WARNING,
         "none on /shared, which Docker and the database use, too"),
        ({}, BIND, check.Level.FINE, "the folder is not there yet"),
        ({}, Config(home="nfs", nfs_server="nas"), check.Level.FINE, "nas's"),
    ],
)  # fmt: skip
def test_whether_one_account_can_fill_the_disk_is_told(
    facts: dict[str, str], config: Config, level: check.Level, found: str
) -> None:
    rows = {row.what: row for row in check.findings_of("h", facts, config, is_head=True)}
    row = rows["home quota"]
    assert (row.level, row.found) == (level, found)
    assert bool(row.mend) == (level is not check.Level.FINE)
    assert "home quota" not in {
        row.what for row in check.findings_of("w1", facts, BIND, is_head=False)
    }

"""What `check` makes of the facts about machines."""

from collections.abc import Mapping

import pytest

from cfiddle_slurm.cluster.health import check
from cfiddle_slurm.cluster.health.check import Finding, Level
from cfiddle_slurm.cluster.site.config import Config
from tests.unit.cluster.conftest import BEHAVE_LIKE_SSH, HEAD, Program

GOOD = {
    "system": "debian 12", "uid": "0", "docker": "26.1.5", "swarm": "inactive", "ports": "22/tcp",
    "clock": "1000.5", "skew": "0.0", "disk_mb": "50000", "uid_7000": "cfiddle",
    "gid_7000": "cfiddle", "uid_7101": "", "gid_7101": "munge", "uid_7102": "", "gid_7102": "",
    "uid_7103": "", "gid_7103": "",
    "nfs": "yes", "nfsd": "yes", "cpu": "EPYC x16", "paranoid": "2", "pmu": "/sys/x", "home": "yes",
    "home_disk": "/srv", "home_options": "rw,usrquota", "docker_disk": "/", "engine": "installed",
}  # fmt: skip
GIB = 1 << 30
NFS = Config(head="h", workers=("w1",), home="nfs", home_quota=GIB)
BIND = Config(head="h", workers=("w1",), home="bind", home_path="/shared", home_quota=GIB)


def rows(
    facts: Mapping[str, str] = GOOD,
    config: Config = NFS,
    *,
    is_head: bool = False,
) -> dict[str, tuple[Level, str, str]]:
    found = check.findings_of("w1", {**GOOD, **facts}, config, is_head=is_head)
    assert {row.machine for row in found} == {"w1"}
    return {row.what: (row.level, row.found, row.mend) for row in found}


def test_a_good_machine_has_nothing_to_mend() -> None:
    for config in (NFS, BIND, Config(home_quota=GIB)):
        for is_head in (True, False):
            for level, _, mend in rows({}, config, is_head=is_head).values():
                assert (level, mend) == (Level.FINE, "")


def test_only_workers_are_to_measure() -> None:
    assert {*rows()} - {*rows(is_head=True)} == {"perf events", "hardware counters"}
    alone = Config()
    assert {*rows(config=alone, is_head=True)} - {"home quota"} == {*rows(config=alone)}


def test_a_single_machine_is_checked_as_the_worker_that_it_is() -> None:
    found = rows({"pmu": ""}, Config(), is_head=True)["hardware counters"]
    assert found[0] is WARNING
    assert "not cycles" in found[2]
    assert rows({"paranoid": ""}, Config(), is_head=True)["perf events"][0] is FAILURE


def test_a_single_machine_needs_no_nfs() -> None:
    assert rows({"nfsd": "", "nfs": ""}, Config(), is_head=True)["home"][0] is FINE
    found = rows({"nfsd": ""}, Config(home="nfs"), is_head=True)["home"]
    assert (found[0], 'home = "volume"' in found[2]) == (FAILURE, True)


FINE, WARNING, FAILURE = Level.FINE, Level.WARNING, Level.FAILURE


@pytest.mark.parametrize(
    ("what", "facts", "level", "found"),
    [
        ("root", {"uid": "1000"}, FAILURE, "root is not root"),
        ("root", {"uid": ""}, FAILURE, "root is not root"),
        ("system", {"system": "ubuntu 24.04"}, FINE, "ubuntu 24.04"),
        ("system", {"system": "fedora 41"}, WARNING, "fedora 41"),
        ("Docker", {"docker": "23.0"}, FINE, "23.0"),
        ("Docker", {"docker": ""}, WARNING, "no engine answers"),
        ("Docker", {"docker": "20.10.24+dfsg1"}, FAILURE, "20.10.24+dfsg1"),
        ("Docker", {"docker": "strange"}, FAILURE, "strange"),
        ("swarm ports", {"ports": "7946/tcp 4789/tcp"}, FAILURE, "7946/tcp taken"),
        ("swarm ports", {"ports": "7946/udp 2377/tcp"}, FAILURE, "2377/tcp, 7946/udp taken"),
        ("Docker", {"docker": ""}, WARNING, "installed, but no engine answers"),
        ("Docker", {"docker": "", "engine": "live-restore"}, FAILURE, "live-restore is on"),
        ("Docker", {"engine": "live-restore"}, FAILURE, "live-restore is on"),
        ("swarm ports", {"ports": "2377/tcp", "swarm": "active"}, FINE, "used by the swarm"),
        ("clock", {"skew": "30"}, FINE, "30 s off at most"),
        ("clock", {"skew": "31"}, FAILURE, "31 s off"),
        ("disk", {"disk_mb": "10000"}, FINE, "10 GB free"),
        ("disk", {"disk_mb": "9999"}, WARNING, "10 GB free"),
        ("disk", {"disk_mb": "2999"}, FAILURE, "3 GB free"),
        ("disk", {"disk_mb": ""}, FAILURE, "0 GB free"),
        ("ids", {"uid_7000": "bob"}, FAILURE, "uid 7000 is bob"),
        ("ids", {"gid_7101": "x", "uid_7102": "y"}, FAILURE, "gid 7101 is x; uid 7102 is y"),
        ("perf events", {"paranoid": "-1"}, WARNING, "-1: experiments see"),
        ("perf events", {"paranoid": "1"}, FINE, "without a capability"),
        ("perf events", {"paranoid": "2"}, FINE, "with CAP_PERFMON"),
        ("perf events", {"paranoid": "4"}, WARNING, "perf_event_paranoid is 4"),
        ("perf events", {"paranoid": ""}, FAILURE, "the kernel has none"),
        ("hardware counters", {"pmu": ""}, WARNING, "none"),
        ("home", {"nfs": ""}, FAILURE, "the kernel has no nfs"),
    ],
)
def test_what_a_fact_means(what: str, facts: dict[str, str], level: Level, found: str) -> None:
    row = rows(facts)[what]
    assert row[0] is level
    assert found in row[1]
    # Whatever is not fine comes with what to do.
    assert bool(row[2]) == (level is not Level.FINE)
    others = {name: row for name, row in rows(facts).items() if name != what}
    assert all(row[0] is Level.FINE for row in others.values())


@pytest.mark.parametrize(
    ("config", "is_head", "missing", "level"),
    [
        (NFS, True, "nfsd", FAILURE),  # it exports
        (NFS, True, "nfs", FINE),
        (NFS, False, "nfs", FAILURE),  # they mount
        (NFS, False, "nfsd", FINE),
        (Config(head="h", workers=("w1",), home="nfs", nfs_server="n"), True, "nfs", FAILURE),
        (Config(head="h", workers=("w1",), home="nfs", nfs_server="n"), True, "nfsd", FINE),
        (BIND, True, "home", FAILURE),
        (BIND, False, "home", FAILURE),
        (BIND, False, "nfs", FINE),
        (Config(), True, "home", FINE),
    ],
)
def test_each_kind_of_home_needs_something_else(
    config: Config, is_head: bool, missing: str, level: Level
) -> None:
    found = rows({missing: ""}, config, is_head=is_head)["home"]
    assert found[0] is level


def test_a_machine_that_says_nothing_is_no_good_machine() -> None:
    found = check.findings_of("w1", {}, NFS, is_head=False)
    assert check.verdict(found) is Level.FAILURE
    assert all(row.mend for row in found if row.level)


def test_facts_are_read_from_lines() -> None:
    text = "system=debian 12\n\nmotd without\ncpu=a = b\ndocker=\n"
    assert check.parse(text) == {"system": "debian 12", "cpu": "a = b", "docker": ""}


def test_the_script_finds_all_that_is_judged(docker: Program) -> None:
    docker.answers("version *", "echo 26.1.5")
    docker.answers("info *", "echo active")
    found = check.parse(HEAD.shell(check._SCRIPT, "/").stdout)
    assert {*found} == {*GOOD} - {"skew"}
    assert (found["docker"], found["swarm"], found["home"]) == ("26.1.5", "active", "yes")
    assert int(found["disk_mb"]) >= 0 and float(found["clock"]) > 0


@pytest.mark.parametrize(
    ("clock", "seconds"),
    [("100", 0), ("101.5", 0), ("103", 0), ("90", 10), ("113.5", 10.5), ("", 0), ("%s.%N", 0)],
)
def test_a_clock_is_wrong_by_what_is_surely_so(clock: str, seconds: float) -> None:
    assert check.skew(clock, before=100, after=103) == seconds


def test_workers_are_alike_or_the_odd_one_is_named() -> None:
    same = {"w1": {"cpu": "A"}, "w2": {"cpu": "A"}, "w3": {"cpu": "A"}}
    (row,) = check.alike(same)
    assert (row.machine, row.level, row.found) == ("all workers", Level.FINE, "A")
    (row,) = check.alike({**same, "w2": {"cpu": "B"}})
    assert (row.machine, row.level, row.found) == ("w2", Level.WARNING, "B; the others: A")
    assert "constraint" in row.mend
    assert check.alike({}) == []


def test_the_verdict_is_the_worst() -> None:
    def finding(level: Level) -> Finding:
        return Finding("w1", "x", level, "y")

    assert check.verdict([]) is Level.FINE
    assert check.verdict([finding(FINE), finding(WARNING)]) is Level.WARNING
    assert check.verdict([finding(FAILURE), finding(WARNING)]) is Level.FAILURE


def test_one_machine_is_one_machine(cluster: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {**GOOD, "pmu": "", "nfsd": ""}
    monkeypatch.setattr(check, "_SCRIPT", "\n".join(f"echo '{k}={v}'" for k, v in bad.items()))
    monkeypatch.setattr("time.time", lambda: 1000.5)
    found = check.run(Config())
    assert {row.machine for row in found} == {"this machine"}
    assert check.verdict(found) is WARNING


@pytest.fixture
def cluster(ssh: Program, docker: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(check, "_SCRIPT", "\n".join(f"echo '{k}={v}'" for k, v in GOOD.items()))
    ssh.answers("*", BEHAVE_LIKE_SSH)
    return ssh


def test_all_machines_are_looked_at_and_the_lost_one_is_told_of(cluster: Program) -> None:
    cluster.answers("*root@w2 *", "echo 'ssh: w2 is unknown' >&2; exit 255")
    found = check.run(Config(head="h", workers=("w1", "w2"), home="nfs"))
    assert {row.machine for row in found} == {"h", "w1", "w2", "all workers"}
    (lost,) = [row for row in found if row.machine == "w2"]
    assert (lost.what, lost.level) == ("ssh", Level.FAILURE)
    assert "w2 is unknown" in lost.found


def test_a_clock_is_compared_with_this_machines(
    cluster: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 2000.5)  # GOOD's clock is at 1000.5
    found = {(row.machine, row.what): row for row in check.run(NFS)}
    assert found["w1", "clock"].found == "1000 s off"


def test_a_script_that_fails_is_told(cluster: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_SCRIPT", "echo 'df: no such thing' >&2; exit 1")
    found, _ = check.run(BIND)
    assert (found.level, found.found) == (Level.FAILURE, "df: no such thing")


def test_what_keeps_ssh_from_a_machine_comes_with_what_to_do(cluster: Program) -> None:
    cluster.answers("*", "echo 'ssh: Could not resolve hostname w1' >&2; exit 255")
    found, _ = check.run(BIND)
    assert (found.found, found.mend[:16]) == ("its name cannot be resolved", "Correct the name")

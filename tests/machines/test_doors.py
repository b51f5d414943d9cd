"""The walls in force: what the daemons' containers may and may not, asked on the machines."""

import time

import pytest

from cfiddle_slurm.process import CommandFailed
from tests.machines.harness import Machines

pytestmark = pytest.mark.timeout(600)
NET_ADMIN = 1 << 12  # linux/capability.h
# The database greets whoever connects; a connection alone may be a proxy's on the way.
_REACH = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{} && head -c 5 <&3 | wc -c' 2>/dev/null || echo 0"


def test_the_partition_stays_open_when_slurms_configuration_is_read_again(
    cluster: Machines,
) -> None:
    cluster.on_service("head", "controller", "scontrol", "reconfigure")
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        time.sleep(1)
        state = cluster.on_service("head", "controller", "sinfo", "--noheader", "--format=%a")
        assert state in ("up", ""), state
        if time.monotonic() > give_up - 55:
            break
    assert state == "up"


@pytest.mark.parametrize("worker", ["w1", "w2"])
def test_slurmd_cannot_open_the_walls(cluster: Machines, worker: str) -> None:
    words = ("sh", "-c", "cat /proc/$(pgrep -f '^slurmd -D')/status")
    status = cluster.on_service(worker, "worker", *words)
    sets = [line.split() for line in status.splitlines() if line.startswith("Cap")]
    assert len(sets) == 5
    assert [name for name, value in sets if int(value, 16) & NET_ADMIN] == []


def test_the_door_and_munges_door_have_what_they_need_and_no_more(cluster: Machines) -> None:
    show = "cat /proc/$(pgrep -f '^python3 -I -m cfiddle_slurm.door {}')/status"
    allowed = {"slurm": 0, "munge": 0b11 << 6}  # CAP_SETGID, CAP_SETUID
    for door, service in (("slurm", "user"), ("munge", "munge_user")):
        status = cluster.on_service("head", service, "sh", "-c", show.format(door))
        sets = [line.split() for line in status.splitlines() if line.startswith("Cap")]
        assert len(sets) == 5
        assert [name for name, value in sets if int(value, 16) & ~allowed[door]] == []


def test_the_database_is_known_to_accounting_alone(cluster: Machines) -> None:
    places = [("head", "controller"), ("head", "user"), ("w1", "worker"), ("w2", "worker")]
    address = cluster.on_service("head", "database", "hostname", "-I").split()[0]
    for machine, service in places:
        for target in ("database", address):
            words = ("bash", "-c", _REACH.format(target, 3306))
            assert cluster.on_service(machine, service, *words) == "0", (service, target)
    words = ("bash", "-c", _REACH.format("database", 3306))
    assert cluster.on_service("head", "accounting", *words) == "5"


def test_the_daemons_munge_is_theirs(cluster: Machines) -> None:
    as_student = ("setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", "munge", "-n")
    for machine, service in (("w1", "worker"), ("head", "controller")):
        with pytest.raises(CommandFailed):
            cluster.on_service(machine, service, *as_student)
        assert cluster.on_service(machine, service, "munge", "-n").startswith("MUNGE:")
    assert cluster.on_service("head", "user", *as_student).startswith("MUNGE:")


def test_the_door_comes_back(cluster: Machines) -> None:
    cluster.check("user", "add", "doors1", "--uid=21011")
    find = ("pgrep", "--full", "cfiddle_slurm.door slurm")
    before = cluster.on_service("head", "user", *find)
    cluster.on_service("head", "user", "kill", "-9", *before.split())
    give_up = time.monotonic() + 30
    while cluster.cluster("run", "doors1", "squeue").status != 0:
        assert time.monotonic() < give_up
        time.sleep(0.3)
    assert cluster.on_service("head", "user", *find) != before

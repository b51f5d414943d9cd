"""What an experiment is, sees and may do inside its container."""

import errno
import json
import socket
from typing import Any

import pytest

from cfiddle_slurm.sandbox.daemon.container_config import (
    Place,
    create_arguments,
    read_seccomp_profile,
)
from cfiddle_slurm.sandbox.daemon.engine import Engine, EngineAddress
from cfiddle_slurm.sandbox.daemon.streams import STDOUT, EngineStream, FrameStream
from cfiddle_slurm.sandbox.guest.machine import counters_need_capability
from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.protocol import RESULT, STATUS, parse_json
from cfiddle_slurm.values import parse_cpu_list
from tests.sandbox.harness import IMAGE, SECCOMP, Sandboxd, probe_bundle

pytestmark = pytest.mark.docker
REFUSED = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT, errno.ENETUNREACH, errno.ENOENT)
)
"""A wall's answers; what is not there (ENOENT) is none of the machine's, either. Any other, a
time-out above all, means that somebody went to look."""
MOUNTS = frozenset(("/", "/dev", "/dev/mqueue", "/dev/pts", "/etc/hostname", "/tmp", "/work"))
NAMES = frozenset(("/etc/hosts", "/etc/resolv.conf"))
"""The engine's own files of a container with a network; some make them for one without, too."""
KERNELS = frozenset(("proc", "sysfs", "tmpfs", "cgroup", "cgroup2", "devtmpfs"))
"""What is mounted below /proc and /sys: the kernel's own, and what hides parts of it."""
CAP_PERFMON = 1 << 38  # linux/capability.h


@pytest.fixture(scope="module")
def found(shared_sandboxd: Sandboxd) -> dict[str, Any]:
    """What the probe saw."""
    job = shared_sandboxd.run(probe_bundle("look"))
    report = job.report()
    assert report["outcome"]["kind"] == "ok", report
    seen = json.loads(job.output)
    return {**seen, "report": report}


def test_it_is_cfiddle_and_nobody_else(found: dict[str, Any]) -> None:
    assert found["uids"] == found["gids"] == ["7000"] * 4
    assert found["groups"] == []


def test_perfmon_is_effective_where_it_is_needed_and_the_only_capability(
    found: dict[str, Any],
) -> None:
    wanted = CAP_PERFMON if counters_need_capability() else 0
    assert set(found["capabilities"].values()) == {wanted}
    assert found["report"]["guest"]["perf"]["status"] in ("works", "no_pmu")


def test_no_new_privileges_and_a_seccomp_filter(found: dict[str, Any]) -> None:
    assert found["no_new_privs"] == "1"
    assert found["seccomp"] == "2", "2 is SECCOMP_MODE_FILTER (proc(5))"


def test_no_network_but_lo(found: dict[str, Any]) -> None:
    assert found["interfaces"] == ["lo"]


def test_no_other_processes(found: dict[str, Any]) -> None:
    assert len(found["processes"]) <= 2 and 1 in found["processes"]


def test_no_home_no_shared_memory_no_hosts_name(found: dict[str, Any]) -> None:
    assert found["home"] == []
    assert found["shm"] is False
    assert found["hostname"] == "sandbox" != socket.gethostname()


def test_only_scratch_can_be_written(found: dict[str, Any]) -> None:
    assert found["writable"] == ["/tmp", "/work", "/work/files"]


def test_what_must_be_refused_is(found: dict[str, Any]) -> None:
    other = {
        name: errno.errorcode.get(number, number)
        for name, number in found["refused"].items()
        if number not in REFUSED
    }
    assert other == {}
    assert set(found["allowed"].values()) == {0}, found["allowed"]


def test_devices_are_few(found: dict[str, Any]) -> None:
    assert set(found["devices"]) <= {
        "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "stderr", "stdin",
        "stdout", "tty", "urandom", "zero",
    }  # fmt: skip


def test_nothing_is_mounted_from_the_host(found: dict[str, Any]) -> None:
    mounts = found["mounts"]
    kernels = {place for place in mounts if place.startswith(("/proc", "/sys"))}
    assert set(mounts) - kernels in (MOUNTS, MOUNTS | NAMES)
    assert mounts["/work"] == mounts["/tmp"] == "tmpfs"
    # How many places the engine hides there is its own affair, and the kernel's.
    assert {mounts[place] for place in kernels} <= KERNELS
    assert {"/proc", "/proc/sys", "/sys", "/sys/fs/cgroup"} <= kernels


def test_the_environment_holds_nothing_of_the_host(found: dict[str, Any]) -> None:
    names = set(found["environment"])
    assert not [name for name in names if "SLURM" in name or "DOCKER" in name or "KEY" in name]
    assert found["environment"]["HOME"] == "/tmp"


def test_it_has_the_cores_that_the_report_names(found: dict[str, Any]) -> None:
    assert set(found["cpus"]) == parse_cpu_list(found["report"]["cores"])


def test_the_guest_cannot_be_impersonated(sandboxd: Sandboxd) -> None:
    job = sandboxd.run(probe_bundle("take_over"))
    assert job.kind() == "ok"
    tried = json.loads(job.output)
    assert [name for name, number in tried.items() if number == 0] == []


@pytest.mark.parametrize("with_perfmon", [True, False])
def test_counters_need_the_capability(sandboxd: Sandboxd, with_perfmon: bool) -> None:
    """The negative control: the same container without CAP_PERFMON is refused its counters, unless
    this machine gives them to everybody."""
    limits = Limits(IMAGE, 256 << 20, 10, 10)
    run_id = ("a" if with_perfmon else "b") * 16
    arguments = create_arguments(
        Policy(), limits, Place("0", read_seccomp_profile(SECCOMP)), run_id, "1", sandboxd.instance,
        perfmon=with_perfmon,
    )  # fmt: skip
    perf = _status_of(arguments, run_id, sandboxd.instance)["perf"]
    if with_perfmon or not counters_need_capability():
        assert perf["status"] in ("works", "no_pmu")
    else:
        assert perf["status"] == "refused"
        assert "perf_event_open" in perf["detail"]


def _status_of(arguments: dict[str, Any], run_id: str, instance: str) -> dict[str, Any]:
    """The status of a guest that is given no bundle."""
    engine = Engine(EngineAddress(instance=instance))
    container = engine.create(arguments, run_id)
    try:
        container.start()
        container.socket.settimeout(20)
        container.socket.shutdown(socket.SHUT_WR)
        streams, frames = EngineStream(), FrameStream(frozenset((RESULT, STATUS)))
        found: list[tuple[bytes, bytes]] = []
        while data := container.socket.recv(1 << 16):
            for stream, part in streams.feed(data):
                if stream == STDOUT:
                    found += frames.feed(part)
        assert [kind for kind, _ in found] == [STATUS]
        return parse_json(found[0][1])
    finally:
        container.remove()
        engine.close()

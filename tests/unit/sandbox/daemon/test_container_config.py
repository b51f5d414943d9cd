"""The policy as the engine is told: every line of it that matters is looked at."""

import pytest

from cfiddle_slurm.sandbox.daemon.container_config import Place, create_arguments, entry_point
from cfiddle_slurm.sandbox.policy import GIB, MIB, Limits, Policy

LIMITS = Limits("cfiddle-sandbox:latest", GIB, 60.0, 12.5)


def arguments(policy: Policy | None = None, limits: Limits = LIMITS) -> dict[str, object]:
    return create_arguments(policy or Policy(), limits, Place("1-3", "{}"), "ab" * 8, "77", "mine")


def host(policy: Policy | None = None, limits: Limits = LIMITS) -> dict[str, object]:
    config = arguments(policy, limits)["HostConfig"]
    assert isinstance(config, dict)
    return config


def test_capabilities_are_only_what_the_entry_point_needs_to_drop_the_rest() -> None:
    assert host()["CapDrop"] == ["ALL"]
    assert host()["CapAdd"] == ["PERFMON", "SETGID", "SETPCAP", "SETUID"]
    assert host()["SecurityOpt"] == ["no-new-privileges", "seccomp={}"]
    assert host()["Privileged"] is False


@pytest.mark.parametrize(("perfmon", "kept"), [(True, "-all,+perfmon"), (False, "-all")])
def test_the_entry_point_leaves_perfmon_at_most_and_no_root(perfmon: bool, kept: str) -> None:
    made = create_arguments(Policy(), LIMITS, Place("1-3", "{}"), "ab" * 8, "77", perfmon=perfmon)
    assert made["Entrypoint"] == entry_point(perfmon=perfmon)
    for flag in (
        "--reuid=7000",
        "--regid=7000",
        "--clear-groups",
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set={kept}",
        "--no-new-privs",
    ):
        assert flag in made["Entrypoint"]
    assert made["Cmd"] == []
    assert ("PERFMON" in made["HostConfig"]["CapAdd"]) is perfmon


def test_nothing_of_the_host_comes_in() -> None:
    config = host()
    assert config["Binds"] == config["Mounts"] == config["Devices"] == []
    assert config["ReadonlyRootfs"] is True
    assert (config["NetworkMode"], config["IpcMode"], config["CgroupnsMode"]) == (
        "none",
        "none",
        "private",
    )
    assert arguments()["NetworkDisabled"] is True
    assert config["LogConfig"] == {"Type": "none", "Config": {}}
    assert "PidMode" not in config and "UsernsMode" not in config


def test_limits() -> None:
    config = host(Policy(processes=99, open_files=77))
    assert config["Memory"] == config["MemorySwap"] == GIB
    assert config["PidsLimit"] == 99
    assert config["CpusetCpus"] == "1-3"
    assert not {"NanoCpus", "CpuQuota", "CpuPeriod"} & set(config), "quotas spoil timing"
    assert {"Name": "nofile", "Soft": 77, "Hard": 77} in config["Ulimits"]  # type: ignore[operator]
    assert {"Name": "core", "Soft": 1, "Hard": 1} in config["Ulimits"]  # type: ignore[operator]
    assert {"Name": "memlock", "Soft": 65536, "Hard": 65536} in config["Ulimits"]  # type: ignore[operator]


def test_scratch_belongs_to_the_experiment_and_may_be_executed_from_work_only() -> None:
    tmpfs = host(Policy(work_bytes=100 * MIB, tmp_bytes=10 * MIB, work_inodes=5))["Tmpfs"]
    assert isinstance(tmpfs, dict)
    assert set(tmpfs) == {"/work", "/tmp"}
    assert tmpfs["/work"].split(",")[:4] == ["rw", "exec", "nosuid", "nodev"]
    assert tmpfs["/tmp"].split(",")[:4] == ["rw", "noexec", "nosuid", "nodev"]
    assert f"size={100 * MIB}" in tmpfs["/work"] and "nr_inodes=5" in tmpfs["/work"]
    assert f"size={10 * MIB}" in tmpfs["/tmp"]
    for options in tmpfs.values():
        assert options.endswith("uid=7000,gid=7000,mode=0700")


@pytest.mark.parametrize("memory", [16 * MIB, 100 * MIB, GIB, 8 * GIB])
def test_full_scratch_is_never_out_of_memory(memory: int) -> None:
    tmpfs = host(limits=Limits("a", memory, 1, 1))["Tmpfs"]
    assert isinstance(tmpfs, dict)
    sizes = [
        int(option.removeprefix("size="))
        for options in tmpfs.values()
        for option in options.split(",")
        if option.startswith("size=")
    ]
    assert sum(sizes) <= memory * 5 // 8


def test_the_environment_is_ours() -> None:
    assert arguments()["Env"] == ["CFIDDLE_GUEST_CPU_SECONDS=12.5", "CFIDDLE_GUEST_WORK=/work"]
    assert arguments()["Hostname"] == "sandbox"


def test_labels_by_which_it_is_found_again() -> None:
    assert arguments()["Labels"] == {
        "cfiddle-slurm.sandbox": "mine",
        "cfiddle-slurm.job": "77",
        "cfiddle-slurm.run": "ab" * 8,
    }


def test_runtime_only_when_chosen() -> None:
    assert "Runtime" not in host()
    assert host(Policy(runtime="crun"))["Runtime"] == "crun"

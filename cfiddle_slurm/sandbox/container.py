"""The single-use container, as the engine is told about it. Pure.

Everything an experiment may use is decided in :func:`create_arguments`. The engine's own default
seccomp profile stays in force: it lets perf_event_open(2) pass for CAP_PERFMON (Docker 23 and
newer).
"""

from typing import Any

from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.verdict import Usage

LABEL = "cfiddle-slurm.sandbox"
JOB_LABEL, RUN_LABEL = "cfiddle-slurm.job", "cfiddle-slurm.run"
USER_ID = 7000
_ENTRY_CAPABILITIES = ("PERFMON", "SETGID", "SETPCAP", "SETUID")
# Given here and not left to the image: an image that an administrator allows cannot, by an entry
# point of its own, keep root. Docker puts a capability of a non-root user into the bounding set
# only; as an ambient one it survives the change of user and execve (capabilities(7)).
ENTRY_POINT = (
    "setpriv",
    f"--reuid={USER_ID}",
    f"--regid={USER_ID}",
    "--clear-groups",
    "--inh-caps=-all,+perfmon",
    "--ambient-caps=-all,+perfmon",
    "--bounding-set=-all,+perfmon",
    "--no-new-privs",
    "--",
    "python3",
    "-I",
    "-m",
    "cfiddle_slurm.sandbox.guest",
)


def create_arguments(
    policy: Policy, limits: Limits, cores: str, run_id: str, job_id: str, instance: str = "1"
) -> dict[str, Any]:
    """The engine's body of a create request (Docker Engine API, "Create a container").

    Args:
        cores: a list in the kernel's format.
        instance: whose container it is, should several sandboxd use one engine.
    """
    return {
        "Image": limits.image,
        "Entrypoint": list(ENTRY_POINT),
        "Cmd": [],
        "User": "0:0",  # setpriv's, until it has dropped it
        "WorkingDir": "/work",
        "Env": [f"CFIDDLE_GUEST_CPU_SECONDS={limits.cpu_seconds:g}", "CFIDDLE_GUEST_WORK=/work"],
        "Hostname": "sandbox",
        "Labels": {LABEL: instance, JOB_LABEL: job_id, RUN_LABEL: run_id},
        "Tty": False,
        "OpenStdin": True,
        # The guest's stdin ends with the connection, however sandboxd ends.
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(policy, limits, cores),
    }


def _host_config(policy: Policy, limits: Limits, cores: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "CapAdd": list(_ENTRY_CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": _tmpfs(policy, limits),
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # both together: no swap at all
        # When the machine itself runs out, the experiment is to go first, and in it the
        # experiment's process (1000) before the guest.
        "OomScoreAdj": 500,
        "PidsLimit": policy.processes,
        "CpusetCpus": cores,
        "NetworkMode": "none",
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "LogConfig": {"Type": "none", "Config": {}},
        "Ulimits": [
            {"Name": "nofile", "Soft": policy.open_files, "Hard": policy.open_files},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "Init": False,
        "Privileged": False,
        "RestartPolicy": {"Name": "no"},
        "Binds": [],
        "Mounts": [],
        "Devices": [],
    }
    if policy.runtime:
        config["Runtime"] = policy.runtime
    return config


def _tmpfs(policy: Policy, limits: Limits) -> dict[str, str]:
    # What lies in a tmpfs counts as memory: kept well below the memory limit, a full /work is
    # always ENOSPC to the writer, and never now that and now an out-of-memory kill.
    work = min(policy.work_bytes, limits.memory // 2)
    tmp = min(policy.tmp_bytes, limits.memory // 8)
    owner = f"uid={USER_ID},gid={USER_ID},mode=0700"
    return {
        # exec, because the experiment's shared library is loaded from there.
        "/work": f"rw,exec,nosuid,nodev,size={work},nr_inodes={policy.work_inodes},{owner}",
        "/tmp": f"rw,noexec,nosuid,nodev,size={tmp},nr_inodes={policy.tmp_inodes},{owner}",  # noqa: S108
    }


def parse_usage(stats: dict[str, Any]) -> Usage:
    """What is of use in the engine's one-shot statistics, of cgroup v1 or v2.

    Only v1 gives a peak. Only in v2 does ``failcnt`` mean out of memory (it is ``oom`` of
    memory.events); in v1 it also counts page cache that was reclaimed.
    """
    memory = stats.get("memory_stats") or {}
    peak = memory.get("max_usage")
    events = None if peak else memory.get("failcnt")
    return Usage(peak, events, (stats.get("pids_stats") or {}).get("current"))

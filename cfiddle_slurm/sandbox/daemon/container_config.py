"""The single-use container, as the engine is told about it. Pure.

Everything an experiment may use is decided in :func:`create_arguments`. The seccomp profile is the
project's own (``sandbox/seccomp.json``): of the engine's default profile what an experiment needs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm.ids import CFIDDLE
from cfiddle_slurm.sandbox.policy import Limits, Policy

LABEL = "cfiddle-slurm.sandbox"
INSTANCE = "1"
"""The sandboxd whose container it is, should several use one engine; a cluster's worker has one."""
JOB_LABEL, RUN_LABEL = "cfiddle-slurm.job", "cfiddle-slurm.run"
_LOCKED_BYTES = 64 << 10
_ENTRY_CAPABILITIES = ("SETGID", "SETPCAP", "SETUID")


def entry_point(*, perfmon: bool) -> list[str]:
    """How a container begins: as ``cfiddle``, with CAP_PERFMON and nothing else, or with nothing.

    Given here and not left to the image: an image that an administrator allows cannot, by an entry
    point of its own, keep root. Docker puts a capability of a non-root user into the bounding set
    only; as an ambient one it survives the change of user and execve (capabilities(7)).
    """
    kept = "-all,+perfmon" if perfmon else "-all"
    return [
        "setpriv",
        f"--reuid={CFIDDLE}",
        f"--regid={CFIDDLE}",
        "--clear-groups",
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set={kept}",
        "--no-new-privs",
        "--",
        "python3",
        "-I",
        "-m",
        "cfiddle_slurm.sandbox.guest",
    ]


@dataclass(frozen=True)
class Place:
    """What all sandboxes of a node have in common.

    Attributes:
        cores: a list in the kernel's format.
        seccomp: the profile, as JSON text.
    """

    cores: str
    seccomp: str


def read_seccomp_profile(path: Path) -> str:
    """The profile in a file, as the engine's interface takes it.

    Raises:
        ValueError: the file cannot be read, or holds no profile that refuses what it does not name.
    """
    try:
        profile = json.loads(path.read_bytes())
        refuses = profile["defaultAction"] == "SCMP_ACT_ERRNO"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"The seccomp profile {path} cannot be used: {error!r}.") from error
    if not refuses:
        raise ValueError(f"The seccomp profile {path} must refuse what it does not name.")
    return json.dumps(profile, separators=(",", ":"))


def create_arguments(
    policy: Policy,
    limits: Limits,
    place: Place,
    run_id: str,
    job_id: str,
    instance: str = INSTANCE,
    *,
    perfmon: bool = True,
) -> dict[str, Any]:
    """The engine's body of a create request (Docker Engine API, "Create a container").

    Args:
        instance: whose container it is, should several sandboxd use one engine.
        perfmon: whether counters need CAP_PERFMON on this machine.
    """
    return {
        "Image": limits.image,
        "Entrypoint": entry_point(perfmon=perfmon),
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
        "HostConfig": _host_config(policy, limits, place, perfmon=perfmon),
    }


def _host_config(policy: Policy, limits: Limits, place: Place, *, perfmon: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "CapAdd": [*(["PERFMON"] if perfmon else []), *_ENTRY_CAPABILITIES],
        "SecurityOpt": ["no-new-privileges", f"seccomp={place.seccomp}"],
        "ReadonlyRootfs": True,
        "Tmpfs": _tmpfs(policy, limits),
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # both together: no swap at all
        # When the machine itself runs out, the experiment is to go first, and in it the
        # experiment's process (1000) before the guest.
        "OomScoreAdj": 500,
        "PidsLimit": policy.processes,
        "CpusetCpus": place.cores,
        "NetworkMode": "none",
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "LogConfig": {"Type": "none", "Config": {}},
        "Ulimits": [
            {"Name": "nofile", "Soft": policy.open_files, "Hard": policy.open_files},
            # 1, not 0: that also keeps the kernel from piping core files to a program (core(5)).
            {"Name": "core", "Soft": 1, "Hard": 1},
            # The pages of perf buffers count against no memory limit but this one.
            {"Name": "memlock", "Soft": _LOCKED_BYTES, "Hard": _LOCKED_BYTES},
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
    owner = f"uid={CFIDDLE},gid={CFIDDLE},mode=0700"
    return {
        # exec, because the experiment's shared library is loaded from there.
        "/work": f"rw,exec,nosuid,nodev,size={work},nr_inodes={policy.work_inodes},{owner}",
        "/tmp": f"rw,noexec,nosuid,nodev,size={tmp},nr_inodes={policy.tmp_inodes},{owner}",  # noqa: S108
    }

"""Goes through all files that /proc has of process 1."""

import os
from collections.abc import Iterator

HARMLESS = (
    "arch_status", "autogroup", "cgroup", "children", "cmdline", "comm",
    "coredump_filter", "cpu_resctrl_groups", "cpuset", "gid_map", "ksm_merging_pages", "ksm_stat",
    "latency", "limits", "loginuid", "mountinfo", "mounts", "mountstats",
    "oom_adj", "oom_score", "oom_score_adj", "patch_state", "projid_map", "sched",
    "schedstat", "sessionid", "setgroups", "stat", "statm", "status",
    "timens_offsets", "timerslack_ns", "uid_map", "wchan",
)  # fmt: skip
"""Names, numbers and limits; and of the container only what the experiment sees of itself."""
LAYOUT = ("maps", "numa_maps", "smaps", "smaps_rollup")
"""Where the guest's memory lies, not what is in it: newer kernels show it to CAP_PERFMON."""


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be read that is not harmless, and all that could be written."""
        found = []
        for path in _files():
            name = path.rpartition("/")[2]
            if _reads(path) and name not in HARMLESS and name not in LAYOUT:
                found.append(f"{path} read")
            if _writes(path):
                found.append(f"{path} written")
        return found


def _files() -> Iterator[str]:
    hidden = ("fd/0", "fd/1", "fd/3", "fdinfo/0", "fdinfo/1", "map_files/0-0", "ns/mnt", "ns/user")
    for top in ("/proc/1", "/proc/1/task/1"):
        yield from (f"{top}/{name}" for name in hidden)
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in ("net", "task", "attr")]
            yield from (f"{folder}/{name}" for name in (*names, *folders))


def _reads(path: str) -> bool:
    try:
        if os.path.islink(path):
            there: object = os.readlink(path)
        elif os.path.isdir(path):
            there = os.listdir(path)
        else:
            with open(path, "rb", buffering=0) as stream:
                there = stream.read(1)
    except OSError as error:
        print(f"read {path}: {error.strerror}")
        return False
    print(f"read {path}: {there!r:.60}")
    return bool(there)


def _writes(path: str) -> bool:
    try:
        with open(path, "wb", buffering=0) as stream:
            stream.write(b"0\n")
    except OSError as error:
        print(f"write {path}: {error.strerror}")
        return False
    print(f"write {path}: done")
    return True

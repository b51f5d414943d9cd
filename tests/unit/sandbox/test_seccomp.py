"""The seccomp profile: what an experiment needs passes, what it never needs does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.sandbox.daemon.container_config import read_seccomp_profile

PROFILE = Path(__file__).parents[3] / "sandbox" / "seccomp.json"
NEVER = """
    acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init
    finit_module fsconfig fsmount fsopen fspick init_module inotify_init1 io_setup
    io_uring_enter io_uring_register io_uring_setup ioperm iopl ioprio_set kcmp kexec_file_load
    kexec_load keyctl lookup_dcookie memfd_secret modify_ldt mount mount_setattr move_mount
    name_to_handle_at open_by_handle_at open_tree pidfd_getfd pivot_root process_madvise
    process_vm_readv process_vm_writev ptrace quotactl reboot remap_file_pages request_key
    seccomp sethostname setns settimeofday setxattr swapoff swapon sync syncfs syslog umount2
    unshare userfaultfd vhangup vmsplice
"""


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read_seccomp_profile(PROFILE))["syscalls"]
    return found


def allowed(rules: list[dict[str, Any]], *, whatever_arguments: bool = True) -> list[str]:
    return [
        name
        for rule in rules
        if rule["action"] == "SCMP_ACT_ALLOW" and ("args" not in rule or not whatever_arguments)
        for name in rule["names"]
    ]


def test_what_is_not_named_is_refused_and_only_64_bit_calls_are_known() -> None:
    profile = json.loads(PROFILE.read_text())
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert [arch["subArchitectures"] for arch in profile["archMap"]] == [[], []]


@pytest.mark.parametrize("name", NEVER.split())
def test_never_needed(rules: list[dict[str, Any]], name: str) -> None:
    assert name not in allowed(rules, whatever_arguments=False)


def test_counters_of_oneself_are_allowed(rules: list[dict[str, Any]]) -> None:
    (counters,) = [rule for rule in rules if rule["names"] == ["perf_event_open"]]
    # Of the calling thread only: pid 0 on cpu -1, both of 32 bits.
    assert [
        (arg["index"], arg["op"], arg["value"], arg["valueTwo"]) for arg in counters["args"]
    ] == [
        (1, "SCMP_CMP_MASKED_EQ", 0xFFFFFFFF, 0),
        (2, "SCMP_CMP_MASKED_EQ", 0xFFFFFFFF, 0xFFFFFFFF),
    ]


@pytest.mark.parametrize("name", ["fadvise64", "fdatasync", "fsync", "msync", "sync_file_range"])
def test_nothing_reaches_the_machines_disk_and_programs_go_on(
    rules: list[dict[str, Any]], name: str
) -> None:
    assert name not in allowed(rules)
    (done,) = [
        rule for rule in rules if name in rule["names"] and rule["action"] == "SCMP_ACT_ERRNO"
    ]
    assert done["errnoRet"] == 0


def test_msync_still_tells_what_is_mapped(rules: list[dict[str, Any]]) -> None:
    both = {rule["action"]: rule["args"] for rule in rules if rule["names"] == ["msync"]}
    (done,), (passes,) = both["SCMP_ACT_ERRNO"], both["SCMP_ACT_ALLOW"]
    assert (done["op"], done["value"], done["valueTwo"]) == ("SCMP_CMP_MASKED_EQ", 4, 4)  # MS_SYNC
    assert (passes["op"], passes["value"], passes["valueTwo"]) == ("SCMP_CMP_MASKED_EQ", 4, 0)


@pytest.mark.parametrize(("arch", "bit"), [("amd64", 0x4000), ("arm64", 0x10000)])
def test_nothing_is_read_past_the_machines_memory(
    rules: list[dict[str, Any]], arch: str, bit: int
) -> None:
    assert not {"open", "openat", "openat2", "fcntl"} & set(allowed(rules))
    places = {"openat": 2, "fcntl": 2, **({"open": 1} if arch == "amd64" else {})}
    for name, place in places.items():
        here = [
            rule
            for rule in rules
            if name in rule["names"] and rule.get("includes", {}).get("arches") == [arch]
        ]
        found = {(rule["action"], rule.get("errnoRet")): rule["args"][-1] for rule in here}
        assert set(found) == {("SCMP_ACT_ERRNO", 22), ("SCMP_ACT_ALLOW", None)}  # EINVAL
        for (action, _), argument in found.items():
            assert (argument["index"], argument["value"]) == (place, bit)  # O_DIRECT
            assert argument["valueTwo"] == (bit if action == "SCMP_ACT_ERRNO" else 0)


def test_each_call_has_its_place(rules: list[dict[str, Any]]) -> None:
    named = allowed(rules)
    assert len(named) == len(set(named))
    for rule in rules:
        assert rule["comment"] and rule["names"] == sorted(rule["names"])


def test_sockets_are_of_one_family(rules: list[dict[str, Any]]) -> None:
    families = [rule["args"][0]["value"] for rule in rules if "socket" in rule["names"]]
    assert families == [1]  # AF_UNIX


def test_no_namespace_by_clone(rules: list[dict[str, Any]]) -> None:
    (clone,) = [rule for rule in rules if rule["names"] == ["clone"]]
    (flags,) = clone["args"]
    assert (flags["op"], flags["valueTwo"]) == ("SCMP_CMP_MASKED_EQ", 0)
    for namespace in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000,
                      0x40000000):  # fmt: skip
        assert flags["value"] & namespace
    (clone3,) = [rule for rule in rules if rule["names"] == ["clone3"]]
    assert clone3["errnoRet"] == 38  # ENOSYS, for which the C library has an answer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be used"),
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"defaultAction": "SCMP_ACT_ALLOW"}', "must refuse"),
    ],
)
def test_a_profile_that_is_none_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "seccomp.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_seccomp_profile(path)

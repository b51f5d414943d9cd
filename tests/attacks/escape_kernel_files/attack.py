"""Reads and writes what the engine covers in /proc, and what it does not."""

import os

SECRET = (
    "acpi/wakeup",
    "asound/cards",
    "config/none",
    "kcore",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "mtrr",
    "sched_debug",
    "scsi/scsi",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
    "vmcore",
    "1/environ",
    "1/../kcore",
    "self/task/1/../../../kcore",
    "self/root/proc/kcore",
    "thread-self/root/proc/keys",
)
TRIGGERS = (
    "sysrq-trigger",
    "sys/kernel/core_pattern",
    "sys/kernel/modprobe",
    "sys/kernel/hotplug",
    "sys/kernel/poweroff_cmd",
    "sys/kernel/ns_last_pid",
    "sys/kernel/panic",
    "sys/kernel/perf_event_paranoid",
    "sys/kernel/randomize_va_space",
    "sys/kernel/yama/ptrace_scope",
    "sys/vm/drop_caches",
    "sys/vm/overcommit_memory",
    "sys/vm/nr_hugepages",
    "sys/fs/binfmt_misc/register",
    "sys/fs/binfmt_misc/status",
    "fs/nfsd/threads",
    "irq/default_smp_affinity",
    "bus/pci/00/00.0",
    "acpi/wakeup",
    "mtrr",
    "timer_list",
    "sched_debug",
    "scsi/scsi",
    "net/rt_cache",
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be read or written."""
        found = [f"{name} read" for name in SECRET if _reads(f"/proc/{name}")]
        found += [f"{name} written" for name in TRIGGERS if _opens(f"/proc/{name}")]
        return found + _addresses() + _frames()


def _reads(path: str) -> bool:
    try:
        if os.path.isdir(path):
            there: object = os.listdir(path)
        else:
            # The log would let its reader wait.
            stream = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                there = os.read(stream, 64)
            finally:
                os.close(stream)
    except OSError as error:
        print(f"{path}: {error.strerror}")
        return False
    print(f"{path}: {there!r:.60}")
    return bool(there)


def _opens(path: str) -> bool:
    """Whether it opens for writing; nothing is written, since it would be the machine's."""
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        print(f"{path}, to write: {error.strerror}")
        return False
    print(f"{path}, to write: opened")
    # What covers a file is the null device, which everybody may write.
    return not os.path.samefile(path, "/dev/null")


def _addresses() -> list[str]:
    found = []
    for name in ("kallsyms", "modules"):
        try:
            with open(f"/proc/{name}") as stream:
                lines = [line.split() for line in stream]
        except OSError as error:
            print(f"/proc/{name}: {error.strerror}")
            continue
        column = 0 if name == "kallsyms" else 5
        shown = sum(int(line[column], 16) != 0 for line in lines)
        print(f"/proc/{name}: {shown} of {len(lines)} addresses")
        if shown:
            found.append(f"addresses in {name}")
    return found


def _frames() -> list[str]:
    """Where in the machine's memory its pages lie, as an attack by flipping bits wants to know."""
    page = bytearray(b"x" * 8192)
    with open("/proc/self/maps") as stream:
        start = next(int(line.partition("-")[0], 16) for line in stream if "[heap]" in line)
    with open("/proc/self/pagemap", "rb", buffering=0) as stream:
        stream.seek(start // os.sysconf("SC_PAGESIZE") * 8)
        entry = int.from_bytes(stream.read(8), "little")
    frame = entry & ((1 << 55) - 1)
    print(f"page frame: {frame:#x}, of {len(page)} bytes")
    return ["page frames"] if frame else []

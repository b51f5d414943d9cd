"""What the machine can tell about itself and its performance counters; standard library only."""

import ctypes
import errno
import os
import struct
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Machine, Perf

_SYSCALL_NUMBERS = {"x86_64": 298, "aarch64": 241, "ppc64le": 319, "riscv64": 241}
_TYPE_HARDWARE, _TYPE_SOFTWARE = 0, 1
_HARDWARE_CYCLES, _SOFTWARE_PAGE_FAULTS = 0, 2
_ATTRIBUTE_SIZE = 112  # PERF_ATTR_SIZE_VER5 of linux/perf_event.h


def open_perf_event(kind: int, config: int) -> int:
    """Open and close one counter of this process, kernel side included.

    Returns:
        0, or the errno of perf_event_open(2).
    """
    number = _SYSCALL_NUMBERS.get(os.uname().machine)
    if number is None:
        return errno.ENOSYS
    fields = struct.pack("=IIQ", kind, _ATTRIBUTE_SIZE, config)
    attribute = ctypes.create_string_buffer(fields, _ATTRIBUTE_SIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(ctypes.c_long(number), attribute, 0, -1, -1, ctypes.c_ulong(0))
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def counters_need_capability() -> bool:
    """Whether a process needs CAP_PERFMON here to count what it does itself, in the kernel too.

    perf_event_open(2), perf_event_paranoid: from 2 on. That capability also gives it the records of
    tracepoints, which name other processes; so it is not given where it is not needed.
    """
    level = _read("/proc/sys/kernel/perf_event_paranoid")
    try:
        return level is None or int(level) > 1
    except ValueError:
        return True


def perf_availability() -> "Perf":
    """Whether counters work here: ``status`` (works, no_pmu, refused) and ``detail``."""
    software = open_perf_event(_TYPE_SOFTWARE, _SOFTWARE_PAGE_FAULTS)
    if software:
        return {
            "status": "refused",
            "detail": f"perf_event_open: {os.strerror(software)}; perf_event_paranoid is "
            f"{_read('/proc/sys/kernel/perf_event_paranoid') or 'not known'}",
        }
    hardware = open_perf_event(_TYPE_HARDWARE, _HARDWARE_CYCLES)
    if hardware:
        return {
            "status": "no_pmu",
            "detail": f"software counters work; hardware counters: {os.strerror(hardware)}",
        }
    return {"status": "works", "detail": "software and hardware counters work"}


def machine() -> "Machine":
    """CPU model, kernel release and frequency governor of this machine."""
    return {
        "cpu_model": cpu_model(_read("/proc/cpuinfo") or ""),
        "kernel": os.uname().release,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    }


def cpu_model(cpuinfo: str) -> str | None:
    """The processor's name in the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "cpu", "Model"):
            return value.strip()
    return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None

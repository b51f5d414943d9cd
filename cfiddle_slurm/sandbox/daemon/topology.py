"""Which cores an experiment gets: a pure choice; only :func:`read_topology` looks at a machine.

The rule, for ``"auto"``:

1. Only processors that are online and allowed to sandboxd count, and only *whole* cores: a core
   one of whose SMT siblings belongs to somebody else would be disturbed by it. If no core is
   whole, the processors that are left are used.
2. Of a hybrid processor only the fastest kind of core is used: a run must not land now on one kind,
   now on the other. The other kind is left to the machine.
3. Of several sockets one is used, so that cores share one cache and memory is near: the one with
   the most cores, and of equal ones the last, because interrupts prefer the first.
4. If nothing of the machine is left over by 1 to 3 and there are more than two cores, the first
   core is left to the machine (kernel, engine, Slurm). With two or one there is none to spare.

No CFS quota is ever set: a quota stops the experiment for parts of each period, and that shows.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cfiddle_slurm.values import parse_cpu_list

SYSFS = Path("/sys/devices")


@dataclass(frozen=True)
class Cpu:
    """One logical processor.

    ``core``: the lowest-numbered of its SMT siblings. ``siblings``: all processors of its core
    that are online, itself included. ``kind``: higher is faster; equal on a machine that is not
    hybrid.
    """

    number: int
    core: int
    siblings: frozenset[int]
    package: int = 0
    kind: int = 0


class TopologyError(ValueError):
    """No core set can be chosen: one sentence."""


def choose_cores(cpus: Iterable[Cpu], allowed: frozenset[int], wanted: str = "auto") -> str:
    """The core set of an experiment, as a list in the kernel's format.

    Args:
        cpus: the machine's processors that are online.
        allowed: the processors that sandboxd itself may use.
        wanted: ``"auto"``, or the administrator's own list, taken as it is.

    Raises:
        TopologyError: the list names a processor that is offline or not allowed, or none is left.
    """
    usable = [cpu for cpu in cpus if cpu.number in allowed]
    if not usable:
        raise TopologyError("No processor is both online and allowed to sandboxd.")
    if wanted != "auto":
        return _explicit(frozenset(cpu.number for cpu in usable), wanted)
    whole = [cpu for cpu in usable if cpu.siblings <= allowed]
    chosen = _one_socket(_fastest_kind(whole or usable))
    cores = sorted({cpu.core for cpu in chosen})
    if len(chosen) == len(usable) and len(cores) > 2:
        chosen = [cpu for cpu in chosen if cpu.core != cores[0]]
    return format_cpu_list(cpu.number for cpu in chosen)


def _explicit(usable: frozenset[int], wanted: str) -> str:
    numbers = parse_cpu_list(wanted)
    missing = numbers - usable
    if missing:
        raise TopologyError(
            f"The policy's cores {wanted!r} include {format_cpu_list(missing)}, which is offline or"
            f" not allowed to sandboxd; usable are {format_cpu_list(usable)}."
        )
    return format_cpu_list(numbers)


def _fastest_kind(cpus: list[Cpu]) -> list[Cpu]:
    fastest = max(cpu.kind for cpu in cpus)
    return [cpu for cpu in cpus if cpu.kind == fastest]


def _one_socket(cpus: list[Cpu]) -> list[Cpu]:
    cores: dict[int, set[int]] = defaultdict(set)
    for cpu in cpus:
        cores[cpu.package].add(cpu.core)
    best = max(cores, key=lambda package: (len(cores[package]), package))
    return [cpu for cpu in cpus if cpu.package == best]


def format_cpu_list(numbers: Iterable[int]) -> str:
    """A list in the kernel's format: the opposite of :func:`parse_cpu_list`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def read_topology(sysfs: Path = SYSFS) -> list[Cpu]:
    """The processors that are online, from sysfs (Documentation/admin-guide/cputopology.rst).

    A file that a machine or a container does not show is replaced by the plainest guess: every
    processor a core of its own, one socket, one kind.
    """
    base = sysfs / "system" / "cpu"
    online = _read_list(base / "online") or frozenset({0})
    fast = _read_list(sysfs / "cpu_core" / "cpus")  # Intel hybrid; absent elsewhere
    cpus = []
    for number in sorted(online):
        folder = base / f"cpu{number}"
        siblings = _read_list(folder / "topology" / "core_cpus_list") or _read_list(
            folder / "topology" / "thread_siblings_list"
        )
        siblings = (siblings & online) | {number}
        capacity = _read_number(folder / "cpu_capacity")  # Arm; absent on x86
        package = _read_number(folder / "topology" / "physical_package_id")
        kind = capacity + (number in fast)
        cpus.append(Cpu(number, min(siblings), frozenset(siblings), package, kind))
    return cpus


def _read_list(path: Path) -> frozenset[int]:
    try:
        return parse_cpu_list(path.read_text())
    except (OSError, ValueError):
        return frozenset()


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0

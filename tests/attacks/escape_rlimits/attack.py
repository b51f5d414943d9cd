"""Asks for more of everything."""

import os
import resource
from collections.abc import Callable
from functools import partial

LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]
MORE = 1 << 40


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What it got more of."""
        found = [name for name in LIMITS if _gets(name, partial(_raise, name))]
        found += [name for name, way in WAYS.items() if _gets(name, way)]
        before = os.sched_getaffinity(0)
        _gets("all processors", lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)))
        return found if os.sched_getaffinity(0) <= before else [*found, "processors"]


def _raise(name: str) -> None:
    number = getattr(resource, name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        raise PermissionError(1, "without a limit already")
    for more in (hard + 1, hard + MORE, resource.RLIM_INFINITY):
        resource.setrlimit(number, (soft, more))


def _gets(name: str, way: Callable[[], object]) -> bool:
    try:
        way()
    except (OSError, ValueError) as error:
        print(f"{name}: {error}")
        return False
    print(f"{name}: got")
    return True


def _real_time(policy: int, priority: int) -> None:
    os.sched_setscheduler(0, policy, os.sched_param(priority))


WAYS: dict[str, Callable[[], object]] = {
    "FIFO": lambda: _real_time(os.SCHED_FIFO, 1),
    "round robin": lambda: _real_time(os.SCHED_RR, 99),
    "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, -1),
    "nice, for all of the user": lambda: os.setpriority(os.PRIO_USER, 0, -20),
}

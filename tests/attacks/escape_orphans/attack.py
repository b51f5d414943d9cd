"""Processes that nobody but process 1 waits for."""

import os
import signal
import time

DEAD, ALIVE = 120, 60


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """Nothing: the run must end well, and the runner looks for what is left."""
        for _ in range(DEAD):
            _orphan(lambda: None)
        for _ in range(ALIVE):
            _orphan(_stay)
        time.sleep(0.2)
        print(f"{sum(name.isdigit() for name in os.listdir('/proc'))} processes")
        return []


def _orphan(life: object) -> None:
    child = os.fork()
    if child == 0:
        if os.fork() == 0 and callable(life):
            os.setsid()
            life()
        os._exit(0)
    os.waitpid(child, 0)


def _stay() -> None:
    """Ignores what can be ignored, and takes another process's place when it can."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    while True:
        time.sleep(1)
        if os.fork() == 0:
            os.setsid()

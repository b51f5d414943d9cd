"""Waiting for what happens elsewhere, with an end to it."""

import threading
import time
from collections.abc import Callable

SECONDS = 120.0


def wait_until(condition: Callable[[], object], seconds: float, pause: float = 0.02) -> bool:
    """Whether something became true in time."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)
    return True


def wait_for(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until something is so; a test that waits in vain fails, and says for what."""
    assert wait_until(condition, seconds, pause=0.1), f"not within {seconds:g} s: {what}"


def wait_for_removals(seconds: float = SECONDS) -> None:
    """Wait until this process has removed the job directories of its runs, which it does beside."""
    for thread in threading.enumerate():
        if thread.name == "cfiddle-removal":
            thread.join(seconds)

"""Waiting for what happens elsewhere, with an end to it."""

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

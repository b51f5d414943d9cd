"""Waiting for what others do."""

import time
from collections.abc import Iterator


def until(seconds: float, pause: float = 0.5) -> Iterator[None]:
    """One step for each look: at once, then after each pause, until the time is over.

    Where a loop over it ends by itself, what it looked for did not come.
    """
    give_up = time.monotonic() + seconds
    yield
    while time.monotonic() <= give_up:
        time.sleep(pause)
        yield

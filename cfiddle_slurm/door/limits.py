"""How much of a door one caller may take, so that whoever floods it waits behind himself."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cfiddle_slurm.doorman import Doorman


@dataclass(frozen=True)
class Bounds:
    """Of one kind of caller.

    Attributes:
        open_each: connections of one caller that are let in.
        open_all: connections of all together.
        turns: conversations of one caller that go on at once; the others wait.
        per_second, burst: conversations that one caller may begin.
    """

    open_each: int
    open_all: int
    turns: int
    per_second: float
    burst: float


class Pace:
    """A bucket that fills steadily: how long the next one has to wait. Pure."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take one; the seconds until it is there."""
        self._left = self._filled(now) - 1
        self._at = now
        return max(-self._left / self._per_second, 0.0)

    def try_take(self, now: float) -> bool:
        """Take one if it is there."""
        return self._filled(now) >= 1 and self.take(now) == 0

    def is_full(self, now: float) -> bool:
        """Whether it makes no difference any more that something was taken."""
        return self._filled(now) >= self._burst

    def _filled(self, now: float) -> float:
        if self._at is None:
            return self._burst
        return min(self._left + max(now - self._at, 0.0) * self._per_second, self._burst)


class Turns:
    """So many at once for each key; first come, first served. Unused keys are forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[object, asyncio.Semaphore] = {}
        self._users: Counter[object] = Counter()

    @contextlib.asynccontextmanager
    async def of(self, key: object) -> AsyncIterator[None]:
        """Wait for a turn of this key's."""
        turns = self._known.setdefault(key, asyncio.Semaphore(self._most))
        self._users[key] += 1
        try:
            async with turns:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._known[key]

    def __len__(self) -> int:
        return len(self._known)


class Room:
    """Who is inside, and whose turn it is."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._doorman = Doorman(bounds.open_each, bounds.open_all)
        self._turns = Turns(bounds.turns)
        self._paces: dict[object, Pace] = {}

    def admit(self, caller: object) -> bool:
        """Whether there is room; each admission is to be followed by one :meth:`leave`."""
        return self._doorman.admit(caller)

    def leave(self, caller: object) -> None:
        """A connection has ended."""
        if self._doorman.leave(caller):
            now = asyncio.get_running_loop().time()
            self._paces = {who: pace for who, pace in self._paces.items() if not pace.is_full(now)}

    @contextlib.asynccontextmanager
    async def turn(self, caller: object) -> AsyncIterator[None]:
        """Wait for the caller's turn: first come, first served among the caller's own."""
        async with self._turns.of(caller):
            bounds, now = self._bounds, asyncio.get_running_loop().time()
            pace = self._paces.setdefault(caller, Pace(bounds.per_second, bounds.burst))
            await asyncio.sleep(pace.take(now))
            yield

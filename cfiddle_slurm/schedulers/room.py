"""Room in Slurm's queue. When there is none, one thread of this process asks again, not all.

Each question that Slurm says no to costs the controller as much as a submission, and others wait
for it meanwhile.
"""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from cfiddle_slurm.settings import Settings

SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 15.0


class Room:
    """The room for one user's jobs of one kind, and the threads that wait for it, in a line."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[Place] = deque()
        self._ended = 0
        self._pause = SHORTEST_PAUSE
        self._words = ""

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """A run's place for the time of a ``with`` block, at whose end it needs no room any more.

        While nobody waits, all may try at once: there is room as far as anybody knows.
        """
        place = Place(self)
        try:
            yield place
        finally:
            with self._changed:
                if place in self._line:
                    self._line.remove(place)
                    self._pause = SHORTEST_PAUSE
                    self._changed.notify_all()

    def has_ended(self) -> None:
        """A job of this process has ended: there may be room now."""
        with self._changed:
            self._ended += 1
            self._changed.notify_all()


class Place:
    """A run's place in the line. Made by :meth:`Room.place`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._ended_before = 0

    def join(self) -> str | None:
        """Join the line if there is one. Returns why the others wait, or None: it may try."""
        room = self._room
        with room._changed:
            if not room._line or room._line[0] is self:
                return None
            if self not in room._line:
                room._line.append(self)
            return room._words

    def wait_for_turn(self, give_up: float = math.inf) -> bool:
        """Wait until this run may try.

        Args:
            give_up: when to stop waiting, on the monotonic clock.

        Returns:
            Whether it may; else the time is over.
        """
        room = self._room
        with room._changed:
            room._changed.wait_for(
                lambda: self not in room._line or room._line[0] is self, _left(give_up)
            )
            self._ended_before = room._ended
        return time.monotonic() < give_up

    def wait_for_room(self, words: str, give_up: float = math.inf) -> None:
        """After a refusal, wait until a job of this process has ended, or a while.

        Args:
            words: Slurm's own, for those who join the line.
            give_up: as for :meth:`wait_for_turn`.
        """
        room = self._room
        with room._changed:
            room._words = words
            if self not in room._line:
                room._line.append(self)
            # Several notebooks that were refused at one moment must not all come back at one.
            seconds = room._pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            if room._line[0] is self:
                room._pause = min(2 * room._pause, LONGEST_PAUSE)
            if room._changed.wait_for(
                lambda: room._ended != self._ended_before, min(seconds, _left(give_up))
            ):
                room._pause = SHORTEST_PAUSE


def _left(give_up: float) -> float:
    """Seconds until then, as conditions take them."""
    return max(0.0, min(give_up - time.monotonic(), threading.TIMEOUT_MAX))


_lock = threading.Lock()
_rooms: dict[tuple[str | None, ...], Room] = {}


def room_for(settings: Settings) -> Room:
    """The room that runs with these settings share: Slurm's limits are per user and these."""
    key = (settings.partition, settings.account, settings.qos)
    with _lock:
        return _rooms.setdefault(key, Room())

"""Bounds how many connections a service has open, in all and for each of its callers."""

import threading
from collections import Counter


class Doorman:
    """Who is inside. For any number of threads.

    Args:
        each: how many connections one caller may have open.
        everybody: how many all together may.
        free: the caller, if any, who is always let in and not counted.
    """

    def __init__(self, each: int, everybody: int, free: object = None) -> None:
        self._each, self._everybody, self._free = each, everybody, free
        self._inside: Counter[object] = Counter()
        self._all = 0
        self._lock = threading.Lock()

    def admit(self, caller: object) -> bool:
        """Whether there is room; each admission is to be followed by one :meth:`leave`."""
        if caller == self._free:
            return True
        with self._lock:
            if self._all >= self._everybody or self._inside[caller] >= self._each:
                return False
            self._inside[caller] += 1
            self._all += 1
        return True

    def leave(self, caller: object) -> bool:
        """A connection has ended; whether it was the last of its caller's."""
        if caller == self._free:
            return True
        with self._lock:
            self._inside[caller] -= 1
            self._all -= 1
            if self._inside[caller]:
                return False
            del self._inside[caller]
        return True

"""How much memory what is unpickled may take, beside the bytes that it is made of.

An empty set is one byte of a pickle and 216 of memory, a list in the pickle's own memory of what it
has made is another hundred: so six megabytes became a gigabyte and a half. What is cheap to write
is charged what it takes about; an honest record takes a fraction of what is allowed.
"""

import pickle
from collections import defaultdict, deque
from io import IOBase
from typing import Any, Protocol

from cfiddle_slurm.errors import ResultRejected

_BASE = 128 << 20
"""Bytes that any results may take."""
_FACTOR = 48
"""Bytes for each that was read; rows of measurements take ten to seventeen."""
_OBJECT = 100
_SIZES: tuple[tuple[Any, int], ...] = (
    (deque, 900),
    (defaultdict, 400),
    ((dict, set, frozenset, IOBase), 240),
)
"""Bytes of objects that are larger; of those whose depth is followed, with what that takes."""
COPIED = 64
"""Bytes of an item in a set or a table."""
_NOTED = 100
COST: dict[bytes, int] = {
    pickle.EMPTY_LIST: 64,
    pickle.LIST: 64,
    pickle.EMPTY_DICT: 64,
    pickle.DICT: 64,
    pickle.EMPTY_SET: 216,
    pickle.FROZENSET: 216,
    pickle.TUPLE: 48,
    pickle.TUPLE1: 48,
    pickle.TUPLE2: 56,
    pickle.TUPLE3: 64,
    pickle.BUILD: 100,
    pickle.MEMOIZE: _NOTED,
    pickle.PUT: _NOTED,
    pickle.BINPUT: _NOTED,
    pickle.LONG_BINPUT: _NOTED,
}
"""Bytes of memory (64-bit CPython) that a step of a byte or two takes."""


class _Counted(Protocol):
    taken: int


class Budget:
    """Follows what one stream's objects take.

    Args:
        factor: bytes that each that was read may take.

    Attributes:
        spent: bytes, about.
        checked: up to so many it need not be checked.
    """

    def __init__(self, source: _Counted, factor: int = _FACTOR) -> None:
        self._source, self._factor = source, factor
        self._copied = 0
        self.spent, self.checked = 0, _BASE

    def spend(self, size: int) -> None:
        """Charge bytes of memory.

        Raises:
            ResultRejected: they are out of proportion to the bytes that were read.
        """
        self.spent += size
        if self.spent > self.checked:
            self.check()

    def check(self) -> None:
        """Compare what was charged with what was read; raises as :meth:`spend`."""
        self.checked = _BASE + self._factor * self._source.taken
        if self.spent > self.checked:
            raise ResultRejected(
                f"The results would take more than {self.checked >> 20} MiB of memory, out of all "
                "proportion to their size.",
                hint="Return fewer objects, or write them to a file and name it in output_files.",
            )

    def made(self, one: Any) -> None:
        """Charge an object that a class made."""
        for kind, size in _SIZES:
            if isinstance(one, kind):
                self.spend(size)
                return
        self.spend(_OBJECT)

    def copied(self, items: int, size: int) -> None:
        """Charge items that a constructor copies, each of some bytes.

        Raises:
            ResultRejected: more than were read are copied.
        """
        self._copied += items
        if self._copied > self._source.taken:
            raise ResultRejected("The result file tries to copy the same data over and over again.")
        self.spend(size * items)

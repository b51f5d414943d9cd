"""How deep what is unpickled may be nested.

Some of Python's own types hash, or free, what they hold by recursion in C that nothing counts:
tuples in tuples, a hundred thousand deep, end the process when they become a key. And a tuple that
holds the same tuple twice, forty times over, is small in memory and endless to hash. Both take a
few bytes to write, so the depth is followed while objects are made.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from cfiddle_slurm.errors import ResultRejected

_MAX_DEPTH = 1000
"""About as deep as pickle itself can go while it writes."""
_MAX_WEIGHT = 1 << 26
"""Items of a tuple, those of the tuples in it included, as often as they are there."""
_HASHED = (tuple, slice)
# Lists, dictionaries, sets and all classes written in Python are freed without recursion.
_FILLED_LATER = (deque, defaultdict)
_FOLLOWED = (*_HASHED, *_FILLED_LATER)
_NOT_FOLLOWED = frozenset((type(None), bool, int, float, str, bytes, list, dict))  # quickly seen


class Nesting:
    """Follows the depth of one stream's objects."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}  # depth and weight, where not as at first
        self._held: set[int] = set()
        self._kept: list[object] = []  # an address stands for an object only while that lives

    def made(self, one: Any, arguments: object = ()) -> None:
        """Take notice of a new object, and of what it was made of.

        Raises:
            ResultRejected: it is nested too deeply.
        """
        if isinstance(one, tuple):
            if not _NOT_FOLLOWED.issuperset(map(type, tuple.__iter__(one))):
                self._holds(one, tuple.__iter__(one))
        elif isinstance(one, slice):
            self._holds(one, (one.start, one.stop, one.step))
        elif isinstance(one, _FILLED_LATER):
            self._holds(one, _contents(arguments))

    def filled(self, one: object, content: object) -> None:
        """Take notice of what an object was given: a list of items, or its state.

        Raises:
            ResultRejected: it is nested too deeply now.
        """
        if isinstance(one, _FILLED_LATER):
            self._holds(one, _contents(content))

    def _holds(self, parent: object, children: Iterable[object]) -> None:
        depth, weight = before = self._size(parent)
        for child in children:
            if isinstance(child, _FOLLOWED) and child is not parent:
                below, more = self._size(child)
                depth, weight = max(depth, below + 1), weight + more
                if isinstance(child, _FILLED_LATER) and id(child) not in self._held:
                    self._held.add(id(child))
                    self._kept.append(child)
        if depth == before[0]:
            return
        # Whoever holds it already was judged by the depth that it had then.
        grown = id(parent) in self._held
        if grown or depth > _MAX_DEPTH or (weight > _MAX_WEIGHT and isinstance(parent, _HASHED)):
            raise ResultRejected("The results are nested too deeply.")
        self._kept.append(parent)
        self._known[id(parent)] = depth, weight if isinstance(parent, _HASHED) else 1

    def _size(self, one: object) -> tuple[int, int]:
        """Depth and weight."""
        first = (1, 1 + tuple.__len__(one) if isinstance(one, tuple) else 1)
        return self._known.get(id(one), first)


def _contents(given: object) -> Iterator[object]:
    """The given, and what is in it, and what is in a container of Python's that is in it."""
    yield given
    for one in items_of(given):
        yield one
        yield from items_of(one)


def items_of(container: object) -> Iterable[object]:
    """What is in a container of Python's; nothing where it is none."""
    if isinstance(container, dict):
        return (*dict.keys(container), *dict.values(container))
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    for kind in kinds:
        if isinstance(container, kind):
            # A class derived from it is not asked.
            items: Iterable[object] = kind.__iter__(container)
            return items
    return ()

"""How deep what is unpickled may be nested.

Some of Python's own types hash, or free, what they hold by recursion in C that nothing counts:
tuples in tuples, a hundred thousand deep, end the process when they become a key. And a tuple that
holds the same tuple twice, forty times over, is small in memory and endless to hash. Both take a
few bytes to write, so the depth is followed while objects are made.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


_SHOWN = 5 << 18
"""Items, beside one for each byte, that may be shown of one record."""
_TEXT_OF_AN_ITEM = 64
"""Characters that count as one."""
_WORDS = frozenset((type(None), bool, int, float))  # quickly seen, too


def is_shown_in_proportion(record: object, read: int) -> bool:
    """Whether what is printed of a record is not out of all proportion to the bytes read for it.

    Lists that hold the same list twice, forty times over, are endless to print. What stands in many
    places is counted as often as it is printed.
    """
    return _Shown(_SHOWN + read).fits(record)


@dataclass
class _Step:
    """An object on the way from the record to what is looked at: Python prints ``[...]`` for it.

    Attributes:
        left: how much could be printed when it was come to.
        lowest: the place on the way of the first object that is met again below this one.
    """

    key: int
    items: Iterator[object]
    left: int
    lowest: int


class _Shown:
    """Counts what is printed. What was counted once is looked at once, but for circles.

    How much an object prints depends on where it stands only if it holds, at whatever depth, what
    holds it. All that hold each other are a circle (a strongly connected component, found as Tarjan
    does). Where nothing of its circle stands above it, an object always prints the same, and that
    is remembered; inside a circle every way is walked.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._way: list[_Step] = []
        self._places: dict[int, int] = {}  # of those on the way
        self._weights: dict[int, int] = {}
        self._circles: dict[int, int] = {}  # by the object through which each was entered first
        self._open: dict[int, None] = {}  # those whose circle is not yet known, in order

    def fits(self, record: object) -> bool:
        """Whether it is not more than may be printed."""
        self._enter(record, _shown_items(record))
        while self._way:
            for one in self._way[-1].items:
                items = self._take(one)
                if self._left < 0:
                    return False
                if items:
                    self._enter(one, items)
                    break
            else:
                self._leave(self._way.pop())
        return True

    def _take(self, one: object) -> Iterable[object]:
        """Count an object; its items where they have to be looked at, too."""
        self._left -= 1
        if type(one) in _WORDS:
            return ()
        if isinstance(one, str | bytes):
            self._left -= len(one) // _TEXT_OF_AN_ITEM
        key, step = id(one), self._way[-1]
        if key in self._places:
            step.lowest = min(step.lowest, self._places[key])
        elif key in self._weights and self._circles[key] != self._circles.get(step.key):
            self._left -= self._weights[key]
        else:
            return _shown_items(one)
        return ()

    def _enter(self, one: object, items: Iterable[object]) -> None:
        key, place = id(one), len(self._way)
        self._places[key] = place
        self._way.append(_Step(key, iter(items), self._left, place))
        if key not in self._circles:
            self._open.setdefault(key)

    def _leave(self, step: _Step) -> None:
        place = self._places.pop(step.key)
        if step.lowest < place:  # it holds what holds it
            self._way[-1].lowest = min(self._way[-1].lowest, step.lowest)
            return
        self._weights[step.key] = step.left - self._left
        while step.key in self._open:
            self._circles[self._open.popitem()[0]] = step.key


def _shown_items(one: object) -> Iterable[object]:
    if isinstance(one, deque):
        return deque.__iter__(one) if deque.__len__(one) else ()
    if type(one).__module__.startswith("cfiddle."):
        # Its results and its value; the invocation is the caller's own.
        return [value for name, value in vars(one).items() if name != "invocation"]
    return _items(one)


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
    for one in _items(given):
        yield one
        yield from _items(one)


def _items(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return (*dict.keys(container), *dict.values(container))
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    for kind in kinds:
        if isinstance(container, kind):
            # A class derived from it is not asked.
            items: Iterable[object] = kind.__iter__(container)
            return items
    return ()

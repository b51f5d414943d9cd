"""How much is printed of what the sandbox wrote, once somebody shows it.

Lists that hold the same list twice, forty times over, take a few bytes to write and are endless to
print: what stands in many places is counted as often as it is printed.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cfiddle_slurm.results.nesting import items_of

_SHOWN = 5 << 18
"""Items, beside one for each byte, that may be shown of one record."""
_TEXT_OF_AN_ITEM = 64
"""Characters that count as one."""
_WORDS = frozenset((type(None), bool, int, float))  # quickly seen, too


def is_shown_in_proportion(record: object, read: int) -> bool:
    """Whether what is printed of a record is not out of all proportion to the bytes read for it."""
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
    return items_of(one)

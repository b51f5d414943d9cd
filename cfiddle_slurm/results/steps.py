"""Steps of unpickling that are watched: each takes one of pickle's own, or what it is to fill."""

from collections.abc import Callable
from typing import Any

from cfiddle_slurm.results.bare_objects import Methods, fill

TEXTS = (str, bytes, bytearray)
_WORDS = frozenset((type(None), bool, int, float, str, bytes, type))
_LONG = 256
Step = Callable[[Any], None]


def followed(step: Step) -> Step:
    """A step that makes an object, and notes how deep that is."""

    def load(self: Any) -> None:
        step(self)
        self._nesting.made(self.stack[-1])

    return load


def shared(step: Step) -> Step:
    """A step that takes an object again; of one that is more than a word, this is noted."""

    def load(self: Any) -> None:
        step(self)
        one = self.stack[-1]
        if type(one) not in _WORDS or (type(one) in TEXTS and len(one) > _LONG):
            self._shares = True

    return load


def paid(step: Step, cost: int) -> Step:
    """A step of a byte or two that takes many more bytes of memory."""

    def load(self: Any) -> None:
        self._budget.spent += cost
        if self._budget.spent > self._budget.checked:
            self._budget.check()
        step(self)

    return load


def filling(methods: Methods, count: int) -> Step:
    """A step that puts items into the object below them: so many, or with 0 all since the mark."""

    def load(self: Any) -> None:
        if count:
            items = self.stack[-count:]
            del self.stack[-count:]
        else:
            items = self.pop_mark()
        target = self.stack[-1]
        self._refuse_change(target)
        fill(target, methods, items)
        self._nesting.filled(target, items)

    return load

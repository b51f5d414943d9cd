"""Steps of an unpickler that are watched, each around one of pickle's own."""

from collections.abc import Callable
from typing import Any

TEXTS = (str, bytes, bytearray)
_WORDS = frozenset((type(None), bool, int, float, str, bytes, type))
_LONG = 256


def followed(step: Callable[[Any], None]) -> Callable[[Any], None]:
    """A step that makes an object, and notes how deep that is."""

    def load(self: Any) -> None:
        step(self)
        self._nesting.made(self.stack[-1])

    return load


def shared(step: Callable[[Any], None]) -> Callable[[Any], None]:
    """A step that takes an object again; of one that is more than a word, this is noted."""

    def load(self: Any) -> None:
        step(self)
        one = self.stack[-1]
        if type(one) not in _WORDS or (type(one) in TEXTS and len(one) > _LONG):
            self._shares = True

    return load


def paid(step: Callable[[Any], None], cost: int) -> Callable[[Any], None]:
    """A step of a byte or two that takes many more bytes of memory."""

    def load(self: Any) -> None:
        self._budget.spent += cost
        if self._budget.spent > self._budget.checked:
            self._budget.check()
        step(self)

    return load

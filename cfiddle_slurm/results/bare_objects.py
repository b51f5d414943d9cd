"""Make and fill objects without asking them, or their classes, for anything.

An object that came out of a pickle may hold, under the name of any method, whatever the pickle
put there; and a class of somebody's own may do anything in a method. So what pickle would ask of an
object is done by Python's own methods here.
"""

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import timedelta, tzinfo
from io import IOBase
from types import MemberDescriptorType
from typing import Any, BinaryIO

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.obeyed import is_obeyed_attribute

_PLAIN = (
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset,
    timedelta,
)  # fmt: skip
_SHORT = 40
_PIECE = 1 << 20


class Source:
    """A stream that makes no room for more bytes than there are, however many are announced.

    Attributes:
        taken: how many were read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.taken = 0

    def read(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        first = self._stream.read(min(size, _PIECE))
        self.taken += len(first)
        if size <= _PIECE:
            return first
        pieces, missing = [first], size - len(first)
        while missing and (piece := self._stream.read(min(missing, _PIECE))):
            pieces.append(piece)
            missing -= len(piece)
            self.taken += len(piece)
        return b"".join(pieces)

    def readline(self) -> bytes:
        """The bytes up to a line's end."""
        line = self._stream.readline()
        self.taken += len(line)
        return line


def _set_items(target: Any, items: list[Any]) -> None:
    # An OrderedDict keeps its order in a method of its own.
    native: Any = OrderedDict if isinstance(target, OrderedDict) else dict
    put = native.__setitem__
    for place in range(0, len(items), 2):
        put(target, items[place], items[place + 1])


Methods = tuple[tuple[type, Callable[[Any, list[Any]], object]], ...]
EXTEND: Methods = ((list, list.extend), (deque, deque.extend), (bytearray, bytearray.extend))
ADD: Methods = ((set, set.update),)
SET_ITEMS: Methods = ((dict, _set_items),)


def fill(target: Any, methods: Methods, items: list[Any]) -> None:
    """Put items into a container.

    Raises:
        ResultRejected: it is none of Python's own, nor of a class derived from these.
    """
    for kind, method in methods:
        if isinstance(target, kind):
            method(target, items)
            return
    raise ResultRejected(f"The result file tries to fill {told(target)}, which is not a container.")


def _refuse_obeyed(target: Any, names: Iterable[Any]) -> None:
    for name in names:
        if type(name) is not str or is_obeyed_attribute(name):
            raise ResultRejected(
                f"The result file gives {told(target)} an attribute {told(name)}, which Python "
                "or a display would obey.",
                hint="An attribute whose name begins and ends with '_' is never brought home.",
            )


def set_state(target: Any, state: Any) -> None:
    """Give an object its state, as pickle does.

    Raises:
        ResultRejected: it is of no form in which pickle writes a state, or holds what is no data.
    """
    take = getattr(type(target), "__setstate__", None)
    if take is not None:
        if isinstance(target, IOBase) and type(state) is tuple:
            for part in state:
                _refuse_obeyed(target, part if type(part) is dict else ())
        take(target, state)
        return
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        if part is not None and type(part) is not dict:
            raise ResultRejected(
                f"The result file gives {told(target)} a state of an unknown form."
            )
    _refuse_obeyed(target, attributes or ())
    if attributes:
        # Interned, the names are shared by all objects of a class.
        names = map(sys.intern, attributes)
        target.__dict__.update(zip(names, attributes.values(), strict=True))
    for name, value in (slots or {}).items():
        _slot(target, name).__set__(target, value)


def _slot(target: Any, name: Any) -> Any:
    """A slot of an object's class; anything else of that name may run code when it is set."""
    for base in type(target).__mro__:
        found = vars(base).get(name) if type(name) is str else None
        if isinstance(found, MemberDescriptorType):
            return found
    raise ResultRejected(f"The result file gives {told(target)} a state of an unknown form.")


def refuse_arguments(kind: type, arguments: tuple[Any, ...]) -> None:
    """Refuse arguments of a constructor that pickle does not write.

    That is objects that would be asked for something, and a few bytes that fill memory: a ``str``
    of a tuple is as long as what is printed of it, which may be without end, and a ``tuple`` of a
    ``range`` or a ``Fraction`` of ``"1e999999999"`` takes gigabytes.

    Raises:
        ResultRejected: there are such.
    """
    if kind is slice:
        return  # it does nothing with them
    if issubclass(kind, str | bytes | bytearray) and len(arguments) > 1:
        # The second would be an encoding, for which Python imports a module.
        raise ResultRejected(
            f"The result file tries to make {told(kind)} in a way that pickle never does."
        )
    for argument in arguments:
        if not _is_harmless(kind, argument):
            raise ResultRejected(
                f"The result file tries to make {told(kind)} of {told(argument)}, "
                "which pickle never does."
            )


def _is_harmless(kind: type, argument: Any) -> bool:
    if issubclass(kind, str):
        return type(argument) is str
    if issubclass(kind, bytes | bytearray):
        return type(argument) in (bytes, bytearray)
    if kind.__module__ == "fractions" and isinstance(argument, str):
        return "e" not in argument.lower()
    return type(argument) in _PLAIN or isinstance(argument, type | tzinfo)


def told(thing: Any) -> str:
    """A few words for an object, whatever its class has to say about it."""
    if isinstance(thing, type):
        return f"the class {thing.__module__:.100}.{thing.__qualname__:.100}"
    if type(thing) in (int, float, str, bytes) and len(words := repr(thing)) <= _SHORT:
        return words
    return f"an object of {told(type(thing))}"

"""Exceptions of the sandbox: their class and plain arguments, and nothing else of them.

Whatever shows an exception asks it for much: Python's own traceback module imports a module whose
name stands in an ImportError, and lists what the ``obj`` of an AttributeError has; IPython opens
the file of a SyntaxError and calls a ``_render_traceback_``; all follow causes, contexts, groups
and notes. So an exception is made anew here, of what cannot ask for anything.
"""

import abc
import builtins
import keyword
import math
import sys
import typing
from collections.abc import Mapping
from typing import Any

from cfiddle_slurm.printable import printable

_MOST_ITEMS, _MOST_DEEP, _MOST_TEXT = 10_000, 10, 1 << 20
_MOST_BITS = 4096
"""Of a whole number: longer ones Python refuses to print."""
_MOST_NAMES, _LONGEST_NAME = 100, 100
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())  # from Python 3.11 on
_ATOMS = (type(None), bool, int, float, str, bytes)
_BEGINNINGS = (object, abc.ABC, typing.Generic)


def exception_class(found: Any) -> type[Exception] | None:
    """The same, if it is the class of an exception that may be made here.

    None that ends a program; no group, whose members would be shown one in another; and none of
    the standard library's that is something else besides, as an HTTPError is a file.
    """
    if not isinstance(found, type) or not issubclass(found, Exception) or issubclass(found, _GROUP):
        return None
    for base in found.__mro__:
        is_other = not issubclass(base, BaseException) and base not in _BEGINNINGS
        if is_other and base.__module__.partition(".")[0] in sys.stdlib_module_names:
            return None
    return found


def plain_exception(
    kind: type[Exception], arguments: tuple[Any, ...], attributes: Mapping[str, Any] | None = None
) -> Exception | None:
    """An exception of a class, made without calling any code of the class.

    Args:
        kind: from :func:`exception_class`.
        arguments: of the plain kinds, else there is none.
        attributes: those that are not plain, or would be obeyed by whoever shows it, are left out.
    """
    budget = _Budget()
    try:
        values = tuple(budget.plain(one) for one in arguments)
    except _NotPlain:
        return None
    made = _bare(kind, arguments, values)
    if made is not None and attributes:
        give_attributes(made, attributes)
    return made


def can_be_shown(exception: Exception) -> bool:
    """Whether its class can tell of it, without what its constructor would have made."""
    try:
        str(exception), repr(exception)
    except Exception:  # a class of somebody's own may fail in any way
        return False
    return True


def give_attributes(exception: BaseException, attributes: Mapping[Any, Any]) -> None:
    """Give an exception those attributes that are plain data under plain names."""
    budget = _Budget()
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if len(found) < _MOST_NAMES and _is_plain_name(type(exception), name):
            try:
                found[sys.intern(str(name))] = budget.plain(value)
            except _NotPlain:
                continue
    exception.__dict__.update(found)


def _bare(
    kind: type[Exception], given: tuple[Any, ...], values: tuple[Any, ...]
) -> Exception | None:
    native: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    if issubclass(kind, SyntaxError):
        # Its text only: the second would be a file, which is opened to show its line.
        values = tuple(f"{one}" for one in values[:1])
    elif issubclass(kind, UnicodeError) and native is not UnicodeError:
        if not _is_in_order(given):
            return None
        values = (*values[:-4], given[-4], *values[-3:])  # of which it prints numbers only
    try:
        exception: Exception = native.__new__(kind, *values)
        native.__init__(exception, *values)
    except (TypeError, ValueError):  # too many, or of other kinds than that class takes
        return None
    return exception


def _is_in_order(arguments: tuple[Any, ...]) -> bool:
    """Whether a Unicode error's place is in its text: it is read there without a further look."""
    if len(arguments) not in (4, 5):  # a translation's has no encoding
        return False
    whole, start, end = arguments[-4:-1]
    return (
        isinstance(whole, str | bytes)
        and type(start) is int
        and type(end) is int
        and 0 <= start < end <= len(whole)
    )


def _is_plain_name(kind: type, name: object) -> bool:
    if type(name) is not str or len(name) > _LONGEST_NAME or name.startswith("_"):
        return False
    if not name.isidentifier() or keyword.iskeyword(name):
        return False
    # What a class has of that name is its own, or the interpreter's; but a value may be another.
    own = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    return type(own) in _ATOMS


class _NotPlain(Exception):
    """A value is none of the plain kinds, or too large."""


class _Budget:
    """Copies plain values, as far as all of them together are of a size that can be shown."""

    def __init__(self) -> None:
        self._items, self._text = _MOST_ITEMS, _MOST_TEXT

    def plain(self, value: Any, depth: int = 0) -> Any:
        """A copy of a plain value, whose texts are printable.

        Raises:
            _NotPlain: it is another, too deep, or there are too many.
        """
        self._items -= 1
        if self._items < 0 or depth > _MOST_DEEP:
            raise _NotPlain
        kind = type(value)
        if kind is str or kind is bytes:
            self._text -= len(value)
            if self._text < 0:
                raise _NotPlain
            return printable(value) if kind is str else value
        if kind is int and value.bit_length() > _MOST_BITS:
            raise _NotPlain
        if kind in _ATOMS:
            return value
        if kind is tuple or kind is list:
            return kind(self.plain(one, depth + 1) for one in value)
        if kind is dict:
            return {self._key(key): self.plain(one, depth + 1) for key, one in list(value.items())}
        raise _NotPlain

    def _key(self, key: Any) -> Any:
        if type(key) not in _ATOMS or (type(key) is float and math.isnan(key)):
            raise _NotPlain
        return self.plain(key)

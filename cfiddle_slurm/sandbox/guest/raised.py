"""What the experiment's process tells of an exception: texts, its class, and plain arguments.

Only these are believed at home (:mod:`cfiddle_slurm.rebuilt`), so what an honest exception holds
besides is turned into such here, where its code may run.
"""

from __future__ import annotations

import traceback
from typing import Any

_MOST_ITEMS, _MOST_DEEP, _MOST_TEXT = 2000, 5, 1 << 19
_SHORT = 20_000
_ATOMS: tuple[Any, ...] = (int, float, str, bytes)


def describe_exception(error: BaseException) -> tuple[str, str, str, tuple[Any, ...] | None]:
    """Type name, text, traceback, and the form of which it can be made again."""
    kind = type(error)
    trace = "".join(traceback.format_exception(kind, error, error.__traceback__))
    return f"{kind.__module__}.{kind.__qualname__}", str(error), trace, _form(error)


def _form(error: BaseException) -> tuple[Any, ...] | None:
    from cfiddle_slurm.rebuilt import can_be_shown, exception_class, plain_exception

    kind = exception_class(type(error))
    try:
        arguments = _arguments(error)
        attributes = {
            name: value
            for name in vars(error)
            if (value := _Plain().of(vars(error)[name])) is not _TOO_MUCH
        }
        made = plain_exception(kind, arguments, attributes) if kind else None
    except Exception:  # a class of somebody's own may fail in any way
        return None
    if kind is None or made is None or not can_be_shown(made):
        return None
    return kind.__module__, kind.__qualname__, arguments, attributes


def _arguments(error: BaseException) -> tuple[Any, ...]:
    if isinstance(error, SyntaxError):
        return (str(error),)  # its file, which others would open to show its line, stays here
    arguments = error.args
    if isinstance(error, OSError) and error.filename is not None and len(arguments) == 2:
        second = () if error.filename2 is None else (None, error.filename2)
        arguments = (*arguments, error.filename, *second)
    plain = _Plain().of(arguments)
    if plain is _TOO_MUCH:
        plain = _Plain().of(tuple(map(_told, arguments)))
    return (str(error)[:_SHORT],) if plain is _TOO_MUCH else tuple(plain)


def _told(argument: Any) -> Any:
    plain = _Plain().of(argument)
    return str(argument)[:_SHORT] if plain is _TOO_MUCH else plain


_TOO_MUCH: Any = object()


class _TooMuch(Exception):
    """A value is not plain, or too large."""


class _Plain:
    """Plain data of what is such, or is of a class derived from such."""

    def __init__(self) -> None:
        self._items, self._text = _MOST_ITEMS, _MOST_TEXT

    def of(self, value: Any) -> Any:
        """A copy, or _TOO_MUCH."""
        try:
            return self._copied(value, 0)
        except _TooMuch:
            return _TOO_MUCH

    def _copied(self, value: Any, depth: int) -> Any:
        self._items -= 1
        if self._items < 0 or depth > _MOST_DEEP:
            raise _TooMuch
        if value is None or type(value) is bool:
            return value
        for atom in _ATOMS:
            if isinstance(value, atom):
                return self._atom(atom(value))
        if type(value) in (tuple, list):
            return type(value)(self._copied(one, depth + 1) for one in value)
        if type(value) is dict:
            return {self._key(key): self._copied(one, depth + 1) for key, one in value.items()}
        raise _TooMuch

    def _key(self, key: Any) -> Any:
        if key is not None and not isinstance(key, int | float | str | bytes):
            raise _TooMuch
        return self._copied(key, 0)

    def _atom(self, value: Any) -> Any:
        if isinstance(value, str | bytes):
            self._text -= len(value)
            if self._text < 0:
                raise _TooMuch
        return value

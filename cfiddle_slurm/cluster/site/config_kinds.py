"""What values of ``cluster.toml`` may be: the value, or an error that says what it must be."""

from collections.abc import Callable
from typing import Any

from cfiddle_slurm import values

_LEAST_BYTES = 1 << 20


def number(least: int, most: int) -> Callable[[Any], int]:
    """A whole number in a range."""

    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number between {least} and {most}")
        return value

    return parse


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def optional_size(value: Any) -> int:
    """Bytes, from a number or a text like ``"8GiB"``; an empty text is 0, which is the default."""
    if value == "":
        return 0
    size = values.size(value)
    if size < _LEAST_BYTES:
        raise ValueError('must be at least "1MiB"')
    return size

"""Settings' values as people write them, turned into what the program uses. Pure functions.

Each parser raises a ValueError that says what a value must be: "must be ...", or "holds ...".
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

_UNITS = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
# As sbatch(1) has it for --time: minutes:seconds, hours:minutes:seconds, days-hours[:minutes[...]].
# Its plain number of minutes is left out: here a plain number is seconds, as a text and otherwise.
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
_CLOCK = re.compile(r"(\d+):(\d+)(?::(\d+))?")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_YES, _NO = ("1", "on", "true", "yes"), ("0", "off", "false", "no")
_LONGEST = 366 * 86400.0
_BIGGEST = 1 << 63
_MAX_DIGITS = 9
_LONGEST_SHOWN = 80
# What the run path itself needs: with these changed it would lose sight of the job.
_OURS = frozenset(
    (
        "array", "chdir", "dependency", "error", "export", "help", "hold", "input", "job-name",
        "no-requeue", "nodes", "ntasks", "open-mode", "output", "parsable", "requeue", "test-only",
        "uid", "gid", "usage", "version", "wait", "wrap",
    )
)  # fmt: skip
_OUR_LETTERS = frozenset("adDehHiJNnoVW")
_CPUS = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_MOST_CPUS = 1 << 16


def shown(value: object) -> str:
    """A value that is wrong, short enough for a sentence."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no number of thousands of digits
        return f"a value of type {type(value).__name__} that is too long to be shown"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def seconds(value: object) -> float:
    """A time in seconds, from a number of seconds or a text like ``"10:30"`` (minutes, seconds).

    It is more than nothing, and at most a year.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number of seconds, or a text like '10:30', minutes and seconds")
    try:
        found = _time(value.strip()) if isinstance(value, str) else float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or not 0 < found <= _LONGEST:
        raise ValueError("must be more than 0 seconds and at most a year")
    return found


def _time(text: str) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    if match := _DAYS.fullmatch(text):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        return float(days * 86400 + hours * 3600 + minutes * 60 + rest)
    if match := _CLOCK.fullmatch(text):
        total = 0
        for part in match.groups():
            total = total * 60 + int(part) if part is not None else total
        return float(total)
    raise ValueError("must be seconds, or a text like '10:30', '1:00:00' or '1-12'")


def size(value: object) -> int:
    """A size in bytes, from a number of bytes or a text like ``"2GiB"`` (``"2G"`` is the same)."""
    if isinstance(value, int) and not isinstance(value, bool):
        found: float = value
    else:
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or match[2].upper() not in _UNITS:
            raise ValueError("must be a number of bytes, or a text like '2GiB'")
        found = float(match[1]) * _UNITS[match[2].upper()]
    if not 1 <= found < _BIGGEST:
        raise ValueError("must be more than 0 bytes, and less than 8 EiB")
    return int(found)


def size_from(least: int) -> Callable[[object], int]:
    """A parser of sizes that are not below one."""

    def parse(value: object) -> int:
        found = size(value)
        if found < least:
            raise ValueError(f"must be at least {size_text(least)}")
        return found

    return parse


def size_text(size: int) -> str:
    """A size as people write it: ``2 GiB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size * 100 % factor == 0:
            return f"{size / factor:.10g} {unit}"
    return f"{size} bytes"


def flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _YES + _NO:
        return value.lower() in _YES
    raise ValueError("must be true or false")


def whole(least: int, most: int = 10**_MAX_DIGITS - 1) -> Callable[[object], int]:
    """A parser of whole numbers in a range."""

    def parse(value: object) -> int:
        found: object = value
        if isinstance(value, str) and value.isdecimal() and len(value) <= _MAX_DIGITS:
            found = int(value)
        if isinstance(found, int) and not isinstance(found, bool) and least <= found <= most:
            return found
        raise ValueError(f"must be a whole number between {least} and {most}")

    return parse


count = whole(0)
"""How many of something."""


def choice(*known: str) -> Callable[[object], str]:
    """A parser of one of some words."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        raise ValueError(f"must be one of {', '.join(map(repr, known))}")

    return parse


def text(pattern: str | re.Pattern[str], what: str) -> Callable[[object], str]:
    """A parser of texts of a form."""
    form = re.compile(pattern)

    def parse(value: object) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise ValueError(f"must be {what}")

    return parse


def interval(value: object) -> float:
    """Seconds between two looks, as a number above 0 and at most an hour."""
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not 0 < found <= 3600:
        raise ValueError("must be a number of seconds above 0 and at most 3600")
    return found


name = text(r"[A-Za-z0-9_][A-Za-z0-9_.,:/@+-]*", "a name of letters, digits and . _ , : / @ + -")
"""A name that becomes a part of a Slurm option, or an image's name."""


def expression(value: object) -> str:
    """A constraint on node features, as ``sbatch --constraint`` takes it."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("must be one line of text")
    return value


def words(value: object) -> tuple[str, ...]:
    """Several texts; from the environment, separated by blanks."""
    if isinstance(value, str):
        return tuple(value.split())
    if not isinstance(value, Sequence) or not all(isinstance(part, str) for part in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def globs(value: object) -> tuple[str, ...]:
    """Several globs; one alone may be given as a plain text."""
    return (value,) if isinstance(value, str) else words(value)


def options(value: object) -> tuple[str, ...]:
    """Further options of sbatch, one word each."""
    found = words(value)
    for word in found:
        if not word.startswith("-") or word in ("-", "--") or not word.isprintable():
            raise ValueError(
                f"holds {shown(word)}; each must be one option like '--reservation=lab1'"
            )
        long = word[2:].partition("=")[0]
        # Slurm's commands take any unambiguous beginning of an option's name (getopt_long(3)).
        taken = (
            any(ours.startswith(long) for ours in _OURS)
            if word.startswith("--")
            else word[1] in _OUR_LETTERS
        )
        if taken:
            raise ValueError(f"holds {shown(word)}, which cfiddle_slurm has to choose itself")
    return found


def folder(value: object) -> Path:
    """An absolute path; ``~`` is the home."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be a path")
    try:
        found = Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError("must be in the home of an existing user") from error
    if not found.is_absolute():
        raise ValueError("must be an absolute path")
    return found


def parse_cpu_list(text: str) -> frozenset[int]:
    """The processors in a list of the kernel's format, ``"0-3,8"`` (cpuset(7)).

    Raises:
        ValueError: not such a list.
    """
    numbers: set[int] = set()
    for part in text.strip().split(","):
        match = _CPUS.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a list of processors like '0-3,8'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= _MOST_CPUS:
            raise ValueError(f"{part!r} is not a range of processors")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)

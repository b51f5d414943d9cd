"""Read what a run of CFiddle's own classes measured: records that are lines of JSON.

They come from a process that ran a student's code, so the bytes may be anything. Each line is read
with a bound, and taken only if it is exactly what
:class:`~cfiddle_slurm.sandbox.guest.recording.LineRecorder` writes.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, BinaryIO

from cfiddle_slurm.bundle.layout import LONGEST_LINE
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.printable import printable
from cfiddle_slurm.results.allowed import exception_of
from cfiddle_slurm.results.budget import Budget
from cfiddle_slurm.results.records import Records, raised_there

_LINE = b'["r'
"""What each begins with."""
_MOST_DIGITS = 1300
"""Of a whole number."""
_HALF_A_CHARACTER = re.compile(r"\\(?:(u[dD][89a-fA-F])|.)", re.DOTALL)
"""Any escape sequence; the group is one of half a character, which no text can have."""
_CELLS = frozenset((type(None), bool, int, float, str))
_VALUES = _CELLS | {bytes}
_ROW = 16
"""Bytes of memory that a row takes beside its dictionary."""
_FACTOR = 24
"""Bytes of rows for each that was read: a row of a number and a time takes about 15."""


def read_lines(
    streams: Iterable[BinaryIO], invocations: Sequence[Any], extra: Collection[tuple[str, str]] = ()
) -> Records:
    """Read the records of a run's processes, in order.

    Args:
        streams: one binary stream per process.
        invocations: what the records' numbers stand for, in order.
        extra: classes, as (module, name), that the caller itself sent: an exception may be of
            their modules.

    Raises:
        ResultRejected: a line is not a record, or is out of proportion.
    """
    lines = _Lines(invocations, extra)
    for stream in streams:
        lines.read(stream)
    return lines.records


class _Lines:
    """Takes lines, and knows of which invocations there are results.

    Attributes:
        taken: bytes read.
    """

    def __init__(self, invocations: Sequence[Any], extra: Collection[tuple[str, str]]) -> None:
        from cfiddle.Runner import InvocationResult

        self.records = Records(results=[], values=[])
        self.taken = 0
        self._result_of = InvocationResult
        self._invocations = invocations
        self._exception_of = partial(exception_of, extra=extra)
        self._found: set[int] = set()
        self._begun: int | None = None
        self._rows: list[dict[Any, Any]] = []
        self._names: list[Any] = []
        self._budget = Budget(self, _FACTOR)

    def read(self, stream: BinaryIO) -> None:
        """Take the lines of one process."""
        self._begun, self._rows = None, []
        while raw := stream.readline(LONGEST_LINE + 1):
            self.taken += len(raw)
            if len(raw) > LONGEST_LINE:
                raise ResultRejected(
                    f"The result file has a line of more than {LONGEST_LINE >> 20} MiB."
                )
            if not raw.endswith(b"\n") and _LINE.startswith(raw[: len(_LINE)]):
                self.records.truncated = True
                return
            self._take(*_parsed(raw))
        self.records.truncated |= self._begun is not None

    def _take(self, record: Any, clean: bool) -> None:
        match record if type(record) is list else None:
            case ["rows", number, list() as names, list() as rows]:
                self._add(number, names, rows, clean)
            case ["result", number, list() as names, list() as rows, value] if (
                type(value) in _VALUES
            ):
                self._add(number, names, rows, clean)
                self._found.add(number)
                value = printable(value) if isinstance(value, str) else value
                self.records.results.append(
                    self._result_of(self._invocations[number], self._rows, value)
                )
                self._begun, self._rows = None, []
            case ["raised", str() as name, str() as text, str() as trace, list() | None as form]:
                self.records.raised = raised_there(
                    name, text, trace, None if form is None else tuple(form), self._exception_of
                )
            case _:
                raise ResultRejected("The result file has a line that is not a result.")

    def _add(self, number: Any, names: list[Any], rows: list[Any], clean: bool) -> None:
        """Take rows of an invocation's table."""
        if type(number) is not int or not 0 <= number < len(self._invocations):
            raise ResultRejected("The result file has results of an invocation that was not sent.")
        if number in self._found:
            raise ResultRejected(f"The result file has results of invocation {number} twice.")
        if self._begun not in (None, number):
            raise ResultRejected(f"The results of invocation {self._begun} break off.")
        self._begun = number
        if not all(type(name) in (str, type(None)) for name in names):
            raise ResultRejected("The result file has a table whose columns have no names.")
        if len(set(names)) != len(names):
            raise ResultRejected("The result file has a table with two columns of one name.")
        names = names if clean else [_printed(name) for name in names]
        self._names = self._names if names == self._names else names  # one copy for many tables
        for row in rows:
            self._rows.append(self._row(row, clean))

    def _row(self, row: Any, clean: bool) -> dict[Any, Any]:
        if type(row) is not list or len(row) != len(self._names):
            raise ResultRejected("The result file has a row that does not fit its table.")
        if not (_CELLS.issuperset(map(type, row)) or all(map(_is_cell, self._names, row))):
            raise ResultRejected("The result file has a row that holds more than numbers and text.")
        made = dict(zip(self._names, row if clean else map(_printed, row), strict=True))
        self._budget.spend(sys.getsizeof(made) + _ROW)
        return made


def _is_cell(name: Any, value: Any) -> bool:
    """Whether it is a value of a table; what has no column is a list of such (csv.DictReader)."""
    if name is None and type(value) is list:
        return _CELLS.issuperset(map(type, value))
    return type(value) in _CELLS


def _printed(value: Any) -> Any:
    """The value, with texts that give a terminal no commands."""
    if type(value) is list:
        return [_printed(one) for one in value]
    return printable(value) if type(value) is str else value


def _parsed(raw: bytes) -> tuple[Any, bool]:
    """What a line says, and whether all texts in it can be printed as they are.

    Raises:
        ResultRejected: it is not JSON, or has what JSON should not.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ResultRejected("The result file is not UTF-8 text.", cause=f"{error}") from None
    clean = "\\" not in text
    if not clean and any(found[1] for found in _HALF_A_CHARACTER.finditer(text)):
        raise ResultRejected("The result file has a text with half a character in it.")
    try:
        value = json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number,
            object_pairs_hook=_untagged,
        )
    except RecursionError as error:
        raise ResultRejected("The results are nested too deeply.", cause=f"{error}") from None
    except (ValueError, TypeError) as error:
        raise ResultRejected(
            "The result file has a line that is not JSON.", cause=f"{error}"
        ) from None
    return value, clean and printable(text) == text


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ResultRejected(f"The result file has a number of {len(text)} digits.")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if number - number == 0 else _no_number(text)


def _no_number(text: str) -> Any:
    raise ResultRejected(f"The result file has {text:.20}, which is not a number.")


def _untagged(pairs: list[tuple[str, Any]]) -> Any:
    """The value that an object stands for, whose only key names its kind."""
    match pairs:
        case [("bytes", str() as digits)]:
            return bytes.fromhex(digits)
        case [("float", "inf" | "-inf" | "nan" as name)]:
            return float(name)
        case [("tuple", list() as items)]:
            return tuple(items)
        case [("dict", list() as items)]:
            return dict(items)
    raise ResultRejected("The result file has an object that stands for nothing.")

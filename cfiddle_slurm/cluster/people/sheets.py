"""Tables that spreadsheets' programs and learning platforms write as text: bytes become rows. Pure.

Which encoding and which separator a file has, nobody says: both are found out by counting.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from cfiddle_slurm.cluster.people.account_book import AccountError

LARGEST = 8 << 20
"""Bytes: some ten thousand students with a hundred marks each."""
_OTHER_KINDS = {
    b"PK\x03\x04": "a workbook or an archive",
    b"\xd0\xcf\x11\xe0": "a workbook of an older Excel",
    b"%PDF": "a PDF",
    b"{\\rtf": "a word processor's",
}
_SEPARATORS = "\t;,"
_FIRST_ROWS = 50
_SEPARATOR_SAID = re.compile(r"sep=([\t;,|])[\t;,]*(?=[\r\n])", re.IGNORECASE)
_UNFIT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_NO_WIDTH = "\ufeff\u200b\u200e\u200f\u2060"
_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        line: where it begins in the file, from 1.
        cells: without what surrounds them.
    """

    line: int
    cells: tuple[str, ...]


def text_of(raw: bytes) -> str:
    """The text of a file: UTF-8, UTF-16, or what Windows writes in Western Europe (cp1252).

    Raises:
        AccountError: it is none, or too large.
    """
    if len(raw) > LARGEST:
        raise AccountError(f"it is larger than {LARGEST >> 20} MiB, and so no class list.")
    for start, kind in _OTHER_KINDS.items():
        if raw.startswith(start):
            raise AccountError(f'it is {kind} file, not a text: save it "as CSV" there.')
    try:
        text = raw.decode(_encoding(raw))
    except UnicodeDecodeError as error:
        raise AccountError("it is not a text.") from error
    if _UNFIT.search(text):
        raise AccountError("it is not a text.")
    return text


def _encoding(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if raw.count(0) * 4 > len(raw):  # UTF-16 without its mark: of Latin letters every other is 0
        return "utf-16-le" if raw[1::2].count(0) > raw[::2].count(0) else "utf-16-be"
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def rows_of(text: str, is_headings: Callable[[Sequence[str]], bool]) -> list[Row]:
    """The rows that are not empty.

    Args:
        is_headings: whether cells are those of a line of headings; it helps to find the separator.

    Raises:
        AccountError: it is no table.
    """
    said = _SEPARATOR_SAID.match(text)  # Excel's own way to say it
    if said is not None:
        text = text[said.end() :]
    try:
        separator = said[1] if said is not None else _separator(text, is_headings)
        return [row for row in _rows(text, separator) if any(row.cells)]
    except csv.Error as error:
        raise AccountError(f"it is not a table: {error}.") from error


def _separator(text: str, is_headings: Callable[[Sequence[str]], bool]) -> str:
    """The one with which the headings are found; without any, the one that most rows have."""

    def worth(separator: str) -> tuple[int, int]:
        rows = list(islice(_rows(text, separator), _FIRST_ROWS))
        headings = (len(row.cells) for row in rows if is_headings(row.cells))
        return next(headings, 0), sum(len(row.cells) > 1 for row in rows)

    return max(_SEPARATORS, key=worth)


def _rows(text: str, separator: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    line = 1
    for cells in reader:
        yield Row(line, tuple(map(_stripped, cells)))
        line = reader.line_num + 1


def _stripped(cell: str) -> str:
    cell = cell.strip().strip(_NO_WIDTH).strip()
    as_text = _AS_TEXT.fullmatch(cell)  # so that Excel keeps the zeros of ="00123"
    return as_text[1].strip() if as_text else cell

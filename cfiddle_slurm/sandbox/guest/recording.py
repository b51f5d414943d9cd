"""How the experiment's process writes what it has: record by record, each whole or not at all.

What CFiddle itself measures is plain, and is written as lines of JSON. What a method returns, or a
Runner of the user's own, may be of any class, and is pickled. Nothing of a record is kept: whatever
stays in this process is memory beside that of the measured code.
"""

from __future__ import annotations

import json
import pickle
import sys

from cfiddle_slurm.bundle.layout import LONGEST_LINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, BinaryIO

_ROWS = 1000
"""Of one line; more of an invocation's rows take several."""
_MOST_TEXT = 20_000
"""Characters of an exception's text and traceback; the notebook shows no more."""
_MOST_BITS = 4096
"""Of a whole number in an exception; longer ones Python refuses to print."""
_dumped = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Recorder:
    """Pickles records one after another; what the caller has already is written as a number.

    Args:
        stream: where; from a raw stream as from a buffered one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._numbers: dict[int, int] = {}

    def know(self, objects: Mapping[int, object]) -> None:
        """From now on these objects, by number, are references to the caller's own."""
        self._numbers = {id(known): number for number, known in objects.items()}

    def record(self, record: tuple[Any, ...]) -> None:
        """Write one record, whole or not at all."""
        begin = self._stream.tell()
        try:
            self._write(record)
        except BaseException:
            self._stream.seek(begin)
            self._stream.truncate()
            raise

    def _write(self, record: tuple[Any, ...]) -> None:
        # A pickler of its own: what one has seen it keeps, and refers to in what it writes next.
        _Pickler(_Whole(self._stream), self._numbers).dump(record)

    def fingerprints(self, attributes: Mapping[str, object]) -> dict[str, bytes | None]:
        """A digest of each attribute's pickle, by which a change shows; None: not to be pickled."""
        return {name: self._fingerprint(value) for name, value in attributes.items()}

    def _fingerprint(self, value: object) -> bytes | None:
        digest = _Digest()
        try:
            _Pickler(digest, self._numbers).dump(value)
        except Exception:  # a class of the user's own may refuse in any way
            return None
        return digest.value()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: _Whole | _Digest, numbers: Mapping[int, int]) -> None:
        super().__init__(stream, protocol=5)
        self._numbers = numbers

    def persistent_id(self, obj: object) -> int | None:
        return self._numbers.get(id(obj))

    def reducer_override(self, obj: object) -> Any:
        # Where nobody has imported this, there are no members.
        enum = sys.modules.get("enum")
        if enum is None or not isinstance(obj, enum.Enum):
            return NotImplemented
        # Their own way differs from one Python to the next, and asks the class at home.
        return type(obj), (obj._value_ if isinstance(obj, enum.Flag) else obj._name_,)


class _Whole:
    """Writes all that it is given: a raw stream may take a part only."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]
        return len(data)


class _Digest:
    """A stream that keeps nothing of what is written to it but its digest."""

    def __init__(self) -> None:
        from hashlib import blake2b

        self._hash = blake2b()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return len(data)

    def value(self) -> bytes:
        return self._hash.digest()


class LineRecorder(Recorder):
    """Writes records as lines of JSON: the results of CFiddle's own classes, and exceptions.

    ``["result", number, names, rows, value]`` is an invocation's number, its table and what the
    function returned. A long table comes in lines ``["rows", number, names, rows]`` before it.
    """

    def _write(self, record: tuple[Any, ...]) -> None:
        stream = _Whole(self._stream)
        kind, *fields = record
        if kind not in ("result", "raised"):
            raise TypeError(f"A record of the kind {kind!r} cannot be a line.")
        for line in self._result(*fields) if kind == "result" else _raised(*fields):
            if len(line) > LONGEST_LINE:
                raise ValueError(f"A row of results takes {len(line)} bytes, which is too long.")
            stream.write(line)

    def _result(self, result: Any) -> Iterator[bytes]:
        number = self._numbers[id(result.invocation)]
        last = "[],[]"
        for names, rows in _tables(result.results):
            for table in _pieces(names, rows):
                if last != "[],[]":
                    yield f'["rows",{number},{last}]\n'.encode()
                last = table
        value = _dumped(_tagged(result.return_value))
        yield f'["result",{number},{last},{value}]\n'.encode()


def _tables(rows: Iterable[Mapping[Any, Any]]) -> Iterator[tuple[list[Any], list[Any]]]:
    """The rows in tables of one heading, none of them long."""
    names: list[Any] = []
    table: list[Any] = []
    for row in rows:
        if len(table) == _ROWS or list(row) != names:
            if table:
                yield names, table
            names, table = list(row), []
        table.append(list(row.values()))
    if table:
        yield names, table


def _pieces(names: list[Any], rows: list[Any]) -> Iterator[str]:
    """A table as text; cut in halves until none is longer than a line may be."""
    text = f"{_dumped(names)},{_dumped(rows)}"
    if len(text) < LONGEST_LINE // 8 or len(rows) == 1:
        yield text
        return
    middle = len(rows) // 2
    yield from _pieces(names, rows[:middle])
    yield from _pieces(names, rows[middle:])


def _raised(name: str, text: str, trace: str, form: tuple[Any, ...] | None) -> Iterator[bytes]:
    texts = [_tagged(one) for one in (name[:_MOST_TEXT], text[:_MOST_TEXT], trace[-_MOST_TEXT:])]
    try:
        whole = form and [_tagged(part) for part in form]
    except TypeError:
        whole = None
    line = _dumped(["raised", *texts, whole])
    if len(line) > LONGEST_LINE // 8:
        line = _dumped(["raised", *texts, None])  # which tells of it in words
    yield f"{line}\n".encode()


def _tagged(value: Any) -> Any:
    """Plain data as JSON, exactly: what JSON does not have is an object that names its kind.

    Raises:
        TypeError: the value is not plain.
    """
    kind = type(value)
    if kind is str:
        return value.encode("utf-8", "backslashreplace").decode()  # half a surrogate has no bytes
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is float and value - value != 0:
        return {"float": repr(value)}  # an infinity, or no number
    if kind is list:
        return [_tagged(one) for one in value]
    if kind is tuple:
        return {"tuple": [_tagged(one) for one in value]}
    if kind is dict:
        return {"dict": [[_tagged(key), _tagged(one)] for key, one in value.items()]}
    if value is None or kind in (bool, float) or (kind is int and value.bit_length() < _MOST_BITS):
        return value
    raise TypeError(f"A result of the kind {kind.__name__} cannot be sent to the notebook.")

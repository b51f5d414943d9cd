"""What is fuzzed of the results: the readers of their two forms."""

import io
import traceback
from contextlib import suppress
from typing import Any, BinaryIO, cast

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.printable import printable
from cfiddle_slurm.results.lines import read_lines
from cfiddle_slurm.results.records import RaisedThere, Records, read_records
from cfiddle_slurm.sandbox.guest.recording import LineRecorder
from tests.fuzz.promises import bounded, expect
from tests.unit import forged_pickles as forged


class _Invocation:
    """Stands for the caller's own."""

    def __init__(self) -> None:
        self.arguments = {"n": 1}

    def __call__(self, *arguments: Any) -> None:
        forged.ran.append(arguments)


def results_pickle(data: bytes) -> None:
    """Pickles, as the notebook reads them. An odd first byte: the caller sent classes along."""
    invocation = _Invocation()
    extra = forged.EXTRA if data[:1] and data[0] & 1 else ()
    before = [dict(vars(kind)) for kind in forged.SENT_CLASSES]
    forged.ran.clear()
    with suppress(ResultRejected), bounded():
        records = read_records([io.BufferedReader(io.BytesIO(data[1:]))], (invocation,), extra)
        _show_raised(records.raised)
    expect(forged.ran == [], "something of the results ran")
    expect(vars(invocation) == {"arguments": {"n": 1}}, "the caller's own object has changed")
    expect([dict(vars(kind)) for kind in forged.SENT_CLASSES] == before, "a class has changed")


def results_lines(data: bytes) -> None:
    """Lines, as the notebook reads them."""
    invocations = tuple(_Invocation() for _ in range(3))
    with suppress(ResultRejected), bounded():
        records = read_lines([io.BytesIO(data)], invocations)
        _show_raised(records.raised)
        found = [id(one.invocation) for one in records.results]
        expect(len(set(found)) == len(found), "an invocation has two results")
        expect(set(found) <= set(map(id, invocations)), "a result of nothing that was sent")
        for one in records.results:
            for row in one.results:
                _check_texts([*row, *row.values()], "a table holds more than numbers and text")
            value = one.return_value
            expect(type(value) is not list, "a value is not plain")
            _check_texts([value if type(value) is not bytes else None], "a value is not plain")
        expect(_described(_again(records, invocations)) == _described(records), "they change")
    expect(all(vars(one) == {"arguments": {"n": 1}} for one in invocations), "one has changed")


def _check_texts(values: list[Any], otherwise: str) -> None:
    for value in values:
        if type(value) is list:
            _check_texts(value, otherwise)
            continue
        expect(type(value) in (str, int, float, bool, type(None)), otherwise)
        expect(type(value) is not str or printable(value) == value, "it gives a terminal commands")


def _again(records: Records, invocations: tuple[_Invocation, ...]) -> Records:
    """What is read when it is written anew."""
    stream = io.BytesIO()
    recorder = LineRecorder(cast("BinaryIO", stream))
    recorder.know(dict(enumerate(invocations)))
    for one in records.results:
        recorder.record(("result", one))
    return read_lines([io.BytesIO(stream.getvalue())], invocations)


def _described(records: Records) -> list[str]:
    return [f"{id(one.invocation)}{one.results}{one.return_value!r}" for one in records.results]


def _show_raised(raised: RaisedThere | None) -> None:
    """Show an exception as Python does: it is plain, and gives a terminal no commands."""
    if raised is None:
        return
    for error in (raised.as_cfiddle_exception(), raised.exception or raised.as_remote_error()):
        expect(error.__cause__ is None and error.__context__ is None, "it has a cause")
        expect(not hasattr(error, "__notes__"), "it has notes")
        shown = "".join(traceback.format_exception(error))
        expect(printable(shown) == shown, "it gives a terminal commands")

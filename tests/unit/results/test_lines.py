"""What a run of CFiddle's own classes measured: honest lines come home exactly, no others do."""

import csv
import io
import json
import math
import time
import tracemalloc
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from cfiddle.Data import InvocationResultsList
from cfiddle.perfcount import UnknownPerformanceCounter
from cfiddle.Runner import InvocationResult, MissingArgument
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle.layout import LONGEST_LINE
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.printable import printable
from cfiddle_slurm.results import budget
from cfiddle_slurm.results.lines import read_lines
from cfiddle_slurm.results.records import Records
from cfiddle_slurm.sandbox.guest.raised import describe_exception
from cfiddle_slurm.sandbox.guest.recording import LineRecorder
from tests.unit import forged_pickles as forged
from tests.unit.bounds import little_memory
from tests.unit.experiments import invocation
from tests.unit.forged_lines import DAMAGED, FORGED, HUGE, line

INVOCATIONS = (object(), object(), object())
Names = Collection[tuple[str, str]]


def read(*streams: bytes, invocations: Sequence[Any] = INVOCATIONS, extra: Names = ()) -> Records:
    return read_lines([io.BytesIO(raw) for raw in streams], invocations, extra)


def written(*records: tuple[Any, ...]) -> bytes:
    stream = io.BytesIO()
    recorder = LineRecorder(stream)
    recorder.know(dict(enumerate(INVOCATIONS)))
    for record in records:
        recorder.record(record)
    return stream.getvalue()


def refused(raw: bytes) -> str:
    """Why it is refused, which takes neither much memory nor time."""
    began = time.process_time()
    with little_memory(), pytest.raises(ResultRejected) as caught:
        read(raw)
    assert time.process_time() - began < 30
    assert not isinstance(caught.value.__cause__, MemoryError)
    assert len(str(caught.value)) < 1000
    return caught.value.message


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), 1 << 64)
    | st.floats()
    | st.binary(max_size=4)
)


@given(st.lists(st.lists(TEXTS, max_size=5), max_size=6), VALUES)
def test_a_table_comes_home_as_csv_reads_it(cells: list[list[str]], value: Any) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(cells)
    text.seek(0)
    rows = list(csv.DictReader(text))
    raw = written(("result", InvocationResult(INVOCATIONS[1], rows, value)))
    (found,) = read(raw).results
    assert type(found) is InvocationResult and found.invocation is INVOCATIONS[1]
    assert type(found.return_value) is type(value)
    assert found.return_value == value or math.isnan(value)
    assert [list(row.items()) for row in found.results] == [
        list({shown(name): shown(cell) for name, cell in row.items()}.items()) for row in rows
    ]


def shown(cell: Any) -> Any:
    """Texts are printed in tables, so they are such as can be printed."""
    if isinstance(cell, list):
        return [shown(one) for one in cell]
    return printable(cell) if isinstance(cell, str) else cell


def test_results_of_several_processes_arrive_in_order() -> None:
    first = written(*(("result", InvocationResult(INVOCATIONS[n], [], n)) for n in (2, 0)))
    second = written(("result", InvocationResult(INVOCATIONS[1], [], 1)))
    records = read(first, b"", second)
    assert [one.return_value for one in records.results] == [2, 0, 1]
    assert records == Records(results=records.results, values=[])


def test_a_long_table_arrives_whole() -> None:
    rows = [{"ET": f"{number}", "tag": "x"} for number in range(12_345)]
    records = read(written(("result", InvocationResult(INVOCATIONS[0], rows, 4))))
    assert records.results[0].results == rows
    assert len({id(name) for row in records.results[0].results for name in row}) == 2


def test_a_table_is_the_same_table_to_pandas(tmp_path: Path) -> None:
    one = invocation(tmp_path / "x.so", 5)
    rows = [
        {"ET": "0.5", "cycles": "12345678901", "tag": "é"},
        {"ET": "1e-3", "cycles": "", "tag": "b"},
    ]
    stream = io.BytesIO()
    recorder = LineRecorder(stream)
    recorder.know({0: one})
    there = InvocationResult(one, rows, 7)
    recorder.record(("result", there))
    here = InvocationResultsList(read(stream.getvalue(), invocations=[one]).results)
    was = InvocationResultsList([there])
    assert here.as_df().equals(was.as_df()) and here.as_json() == was.as_json()
    assert list(here.as_df().columns) == list(was.as_df().columns)


@pytest.mark.parametrize(
    "error", [MissingArgument("n"), UnknownPerformanceCounter("x"), ValueError("a", 1)]
)
def test_an_exception_arrives_as_itself(error: Exception) -> None:
    raised = read(written(("raised", *describe_exception(error)))).raised
    assert raised is not None
    assert type(raised.exception) is type(error) and raised.exception.args == error.args
    assert raised.text == str(error)


def test_an_exception_of_a_class_that_was_sent_is_made_without_its_constructor() -> None:
    told = describe_exception(forged.SentError("a", 2))
    forged.ran.clear()
    raised = read(written(("raised", *told)), extra=forged.EXTRA).raised
    assert raised is not None and type(raised.exception) is forged.SentError
    raised = read(written(("raised", *told))).raised
    assert raised is not None and raised.exception is None and raised.text == "('a', 2)"
    assert forged.ran == []


def test_texts_give_a_terminal_no_commands() -> None:
    title = "\x1b]0;title\x07"
    raw = line(["result", 0, [title, "b"], [[1, title]], title])
    raw += line(["raised", title, title, title, None])
    records = read(raw)
    found, raised = records.results[0], records.raised
    assert found.results == [{"\\x1b]0;title\\x07": 1, "b": "\\x1b]0;title\\x07"}]
    assert found.return_value == "\\x1b]0;title\\x07"
    assert raised is not None and "\x1b" not in raised.type_name + raised.text + raised.traceback
    # What is not escaped in the file is treated alike: here a character that runs text backwards.
    raw = json.dumps(["result", 1, ["\u202e"], [["\u202e"]], 1], ensure_ascii=False).encode()
    assert read(raw + b"\n").results[0].results == [{"\\u202e": "\\u202e"}]


@pytest.mark.parametrize("what", FORGED)
def test_what_nobody_honest_writes_is_refused_by_name(what: str) -> None:
    raw, reason = FORGED[what]
    assert reason in refused(raw)
    # The honest one with the same shape is taken.
    assert len(read(line(["result", 0, ["a"], [["1"]], 1])).results) == 1


@pytest.mark.parametrize("what", HUGE)
def test_no_line_takes_much_memory(what: str) -> None:
    raw, reason = HUGE[what]
    assert reason in refused(raw)


def test_a_gigabyte_of_digits_is_refused_after_a_few_megabytes() -> None:
    class Digits(io.RawIOBase):
        """One line of them."""

        left = 1 << 30
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = b"9" * size
            self.left, self.given = self.left - size, self.given + size
            return size

    stream = Digits()
    tracemalloc.start()
    try:
        with pytest.raises(ResultRejected, match="a line of more than 4 MiB"):
            read_lines([io.BufferedReader(stream)], INVOCATIONS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stream.given < 2 * LONGEST_LINE and peak < 5 * LONGEST_LINE


def test_rows_out_of_proportion_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of four bytes is a dictionary of two hundred.
    raw = line(["rows", 0, [None], [[0]] * 1000]).replace(b" ", b"") * 100
    assert len(read(raw).results) == 0  # so many fit into what any results may take
    monkeypatch.setattr(budget, "_BASE", 1 << 20)
    assert "out of all proportion" in refused(raw)
    honest = line(["rows", 0, ["ET", "n"], [["0.123456", "12"]] * 1000]) * 100
    assert read(honest).truncated


def test_a_line_cut_off_anywhere_leaves_those_before() -> None:
    first = written(("result", InvocationResult(INVOCATIONS[0], [{"a": "1"}], 1)))
    rows = [{"a": "é"}] * 1500
    whole = written(("result", InvocationResult(INVOCATIONS[1], rows, 2)))
    for cut in (*range(1, 50), len(whole) - 3000, *range(len(whole) - 20, len(whole))):
        records = read(
            first + whole[:cut], written(("result", InvocationResult(INVOCATIONS[2], [], 3)))
        )
        assert [one.return_value for one in records.results] == [1, 3], f"cut after {cut} bytes"
        assert records.truncated


@given(st.lists(st.tuples(st.integers(0, len(DAMAGED) - 1), st.integers(0, 255)), max_size=3))
def test_damaged_lines_are_refused_or_plain(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(DAMAGED)
    for place, value in changes:
        raw[place] = value
    try:
        records = read(bytes(raw))
    except ResultRejected:
        return
    for found in records.results:
        assert found.invocation in INVOCATIONS
        for row in found.results:
            assert all(type(name) in (str, type(None)) for name in row)
            assert {type(cell) for cell in row.values()} <= {
                str,
                int,
                float,
                bool,
                list,
                type(None),
            }

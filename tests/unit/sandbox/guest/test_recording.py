"""Records leave the experiment's process one by one, whole or not at all, and none is kept."""

import gc
import io
import json
import pickle
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from cfiddle.Runner import InvocationResult
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle.layout import LONGEST_LINE
from cfiddle_slurm.sandbox.guest import experiment
from cfiddle_slurm.sandbox.guest.recording import LineRecorder, Recorder
from tests.unit.sandbox.guest.recorded import recorded

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KNOWN = SimpleNamespace(arguments={"n": 1})


def lines(stream: io.BytesIO) -> list[Any]:
    """What stands in the lines, each of which has an end."""
    raw = stream.getvalue()
    assert raw.endswith(b"\n") or raw == b""
    return [json.loads(line) for line in raw.splitlines()]


def recorder_of(kind: type[Recorder], stream: BinaryIO) -> Recorder:
    recorder = kind(stream)
    recorder.know({3: KNOWN})
    return recorder


def result(rows: list[dict[Any, Any]], value: Any = 1) -> tuple[str, Any]:
    return "result", InvocationResult(KNOWN, rows, value)


@given(st.lists(DATA, max_size=5))
def test_records_are_read_one_by_one(values: list[Any]) -> None:
    stream = io.BytesIO()
    recorder = Recorder(stream)
    for value in values:
        recorder.record(("value", value))
    assert recorded(stream) == [("value", value) for value in values]


def test_what_the_caller_has_is_recorded_as_a_number() -> None:
    known = [SimpleNamespace(secret="x" * 1000), SimpleNamespace(secret="y" * 1000)]
    stream = io.BytesIO()
    recorder = Recorder(stream)
    recorder.know(dict(enumerate(known)))
    recorder.record(("result", [known[1], known[0], known[1]]))
    assert len(stream.getvalue()) < 100
    ((_, found),) = recorded(stream, "first", "second")
    assert found == ["second", "first", "second"]


def test_a_record_that_cannot_be_written_leaves_nothing_and_the_others_whole() -> None:
    stream = io.BytesIO()
    recorder = Recorder(stream)
    shared = [f"{number} words" for number in range(50_000)]
    recorder.record(("value", "before"))
    size = len(stream.getvalue())
    with pytest.raises((pickle.PicklingError, AttributeError)):
        recorder.record(("value", [shared, lambda: 0]))
    assert len(stream.getvalue()) == size
    recorder.record(("value", shared))
    assert recorded(stream) == [("value", "before"), ("value", shared)]


@pytest.mark.parametrize("value", [object(), [{1}], 1 << 5000])
def test_a_line_that_cannot_be_written_leaves_nothing_and_the_others_whole(value: Any) -> None:
    stream = io.BytesIO()
    recorder = recorder_of(LineRecorder, stream)
    rows = [{"ET": "0.5"}] * 5000
    recorder.record(result([], 1))
    with pytest.raises(TypeError, match="cannot be sent to the notebook"):
        recorder.record(result(rows, value))
    recorder.record(result([], 2))
    assert [line[-1] for line in lines(stream)] == [1, 2]


class Full(io.BytesIO):
    """A raw stream that takes little at once, and has room for so much."""

    room = 1 << 30

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(bytes(data[:1000]))


@pytest.mark.parametrize("kind", [Recorder, LineRecorder])
def test_a_full_disk_or_a_short_write_leaves_no_half_a_record(kind: type[Recorder]) -> None:
    stream = Full()
    recorder = recorder_of(kind, stream)
    rows = [{"ET": f"{number}"} for number in range(10_000)]
    recorder.record(result(rows))
    size = len(stream.getvalue())
    assert size > 10_000
    stream.room = size + 30_000
    with pytest.raises(OSError, match="No space"):
        recorder.record(result(rows))
    assert len(stream.getvalue()) == size
    recorder.record(result(rows[:1]))
    if kind is LineRecorder:
        assert sum(len(line[3]) for line in lines(stream)) == 10_001
    else:
        assert [len(one.results) for _, one in recorded(stream, *[None] * 4)] == [10_000, 1]


@pytest.mark.parametrize("kind", [Recorder, LineRecorder])
def test_nothing_of_a_record_is_kept(kind: type[Recorder], tmp_path: Path) -> None:
    # One pickler for all records kept each of their objects: 49 MiB for a hundred thousand rows.
    with (tmp_path / "records").open("wb", buffering=0) as stream:
        recorder = recorder_of(kind, cast("BinaryIO", stream))
        tracemalloc.start()
        try:
            for number in range(2000):
                if number == 200:
                    gc.collect()
                    before = tracemalloc.get_traced_memory()[0]
                recorder.record(result([{"ET": f"{number}.{row}"} for row in range(10)]))
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    assert grown < 50_000


def test_a_result_is_a_line() -> None:
    stream = io.BytesIO()
    recorder = recorder_of(LineRecorder, stream)
    recorder.record(result([{"ET": "0.5", "é": None}, {"ET": "0.7", "é": "x"}], -5))
    recorder.record(result([], None))
    assert stream.getvalue().decode() == (
        '["result",3,["ET","é"],[["0.5",null],["0.7","x"]],-5]\n["result",3,[],[],null]\n'
    )


def test_a_long_table_takes_several_lines_none_of_them_long() -> None:
    stream = io.BytesIO()
    recorder = recorder_of(LineRecorder, stream)
    rows = [{"n": f"{number}"} for number in range(2500)]
    rows += [{"tag": "t" * 5000} for _ in range(2000)]
    recorder.record(result(rows, 7))
    found = lines(stream)
    assert [line[0] for line in found[:-1]] == ["rows"] * (len(found) - 1)
    assert (found[-1][0], found[-1][-1]) == ("result", 7)
    assert [dict(zip(line[2], row, strict=True)) for line in found for row in line[3]] == rows
    assert max(map(len, stream.getvalue().splitlines())) < LONGEST_LINE


def test_a_row_beyond_a_lines_length_is_told_of() -> None:
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="A row of results takes 4"):
        recorder_of(LineRecorder, stream).record(result([{"tag": "t" * LONGEST_LINE}]))
    assert stream.getvalue() == b""


def test_an_exception_is_a_line_however_much_it_holds() -> None:
    stream = io.BytesIO()
    recorder = LineRecorder(stream)
    form = ("m", "E", (1, b"\xff", float("nan"), [(2.5, None)]), {"a": {1: "\udcff"}})
    recorder.record(("raised", "m.E", "a\udcffb", "trace", form))
    long = "x" * (LONGEST_LINE + 1)
    arguments: tuple[Any, ...] = (object(), 1 << 5000, long)
    for argument in arguments:
        recorder.record(("raised", "m.E", long, long + "end", ("m", "E", (argument,), {})))
    first, *others = lines(stream)
    tagged = {"tuple": [1, {"bytes": "ff"}, {"float": "nan"}, [{"tuple": [2.5, None]}]]}
    attributes = {"dict": [["a", {"dict": [[1, "\\udcff"]]}]]}
    assert first == ["raised", "m.E", "a\\udcffb", "trace", ["m", "E", tagged, attributes]]
    for line in others:
        assert line[-1] is None and line[3].endswith("end")
        assert len(line[2]) == len(line[3]) == 20_000


@pytest.mark.parametrize("keeps", [False, True])
def test_results_are_written_as_they_arrive(keeps: bool) -> None:
    stream = io.BytesIO()
    results = experiment._RecordingList(Recorder(stream), keeps=keeps)
    for number in (1, 2):
        results.append({"n": number})
        assert recorded(stream)[-1] == ("result", {"n": number})
    # A million rows are not in memory, too, unless a Runner of the user's own may want them.
    assert results == ([{"n": 1}, {"n": 2}] if keeps else [])

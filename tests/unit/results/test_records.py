"""What an experiment says it measured: honest records arrive as they were written."""

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from cfiddle.perfcount import UnknownPerformanceCounter
from cfiddle.Runner import InvocationResult, MissingArgument

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.results.records import RaisedThere, Records, read_records
from cfiddle_slurm.sandbox.guest.experiment import describe_exception
from cfiddle_slurm.sandbox.guest.recording import Recorder
from tests.unit import forged_pickles as forged
from tests.unit.forged_pickles import EXTRA, pickled, record

Names = Collection[tuple[str, str]]
BOTH = pytest.mark.parametrize("extra", [(), EXTRA], ids=["no classes sent", "classes sent"])


class Invocation:
    """Stands for the caller's own; it is never pickled."""

    def __init__(self) -> None:
        self.arguments = {"n": 1}


def read(*streams: bytes, invocations: Sequence[Any] = (), extra: Names = ()) -> Records:
    return read_records(
        [io.BufferedReader(io.BytesIO(raw)) for raw in streams],
        invocations,
        extra,
    )


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    forged.ran.clear()
    yield
    assert forged.ran == []


@BOTH
def test_results_arrive_with_the_callers_own_invocations(extra: Names) -> None:
    invocations = [Invocation(), Invocation()]
    stream = io.BytesIO()
    recorder = Recorder(stream)
    recorder.know(dict(enumerate(invocations)))
    for number in (1, 0):
        counted = [collections.OrderedDict(ET=0.5, cycles=10**20)]
        recorder.record(("result", InvocationResult(invocations[number], counted, -1)))
    records = read(stream.getvalue(), invocations=invocations, extra=extra)
    assert [result.invocation for result in records.results] == invocations[::-1]
    assert records.results[0].results == [{"ET": 0.5, "cycles": 10**20}]
    assert (records.raised, records.truncated, records.values) == (None, False, [])


def test_each_record_is_a_pickle_of_its_own() -> None:
    shared = [f"word {number}" for number in range(3)]
    stream = io.BytesIO()
    recorder = Recorder(stream)
    for number in range(3):
        recorder.record(("value", [shared, number]))
    assert read(stream.getvalue()).values == [[shared, number] for number in range(3)]


def test_the_records_of_several_processes_are_read_in_order() -> None:
    records = read(pickled(("value", 1)) + pickled(("value", 2)), b"", pickled(("value", 3)))
    assert records.values == [1, 2, 3]


def test_a_state_is_what_changed_and_what_went() -> None:
    records = read(pickled(("state", {"a": 1}, ["b"])))
    assert (records.state, records.removed) == ({"a": 1}, ["b"])
    shared = [1]
    records = read(pickled(("returned", {"a": shared}, ["b"], shared)))
    assert (records.state, records.removed, records.values) == ({"a": [1]}, ["b"], [[1]])
    assert records.state is not None and records.state["a"] is records.values[0]
    assert read(b"") == Records(results=[], values=[])


@pytest.mark.parametrize(
    "value",
    [
        None, -1.5, "text\ud800", b"\xff", [1, (2, {"a": {3}})], 1j, bytearray(b"a"),
        frozenset([1]), range(3), slice(1, 2), collections.deque([1], 5),
        collections.Counter("aab"), datetime.timedelta(1), decimal.Decimal("1.50"),
        datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc),
        fractions.Fraction(1, 3), pathlib.Path("/a b"), uuid.UUID(int=7),
    ],
)  # fmt: skip
def test_plain_data_comes_back_from_a_call(value: Any) -> None:
    found = read(pickled(("value", value)), extra=EXTRA).values
    assert found == [value] and type(found[0]) is type(value)


@pytest.mark.parametrize(
    "old", [b"(icollections\nCounter\n", b"(ccollections\nCounter\no", b"ccollections\nCounter\n)R"]
)
def test_plain_data_in_older_forms_comes_back_from_a_call(old: bytes) -> None:
    assert read(record(old), extra=EXTRA).values == [collections.Counter()]


@pytest.mark.parametrize("factory", [list, int, dict, set, None])
def test_a_table_with_defaults_comes_back_from_a_call(factory: Any) -> None:
    value = collections.defaultdict(factory, a=1)
    assert read(pickled(("value", value)), extra=EXTRA).values == [value]


def test_an_object_of_a_class_that_was_sent_comes_back_bare() -> None:
    sent = forged.AlsoSent()
    sent.content = [1, sent]
    (found,) = read(pickled(("value", sent)), extra=EXTRA).values
    assert type(found) is forged.AlsoSent and found.content == [1, found]
    # Only the class itself was sent, not all that its module holds.
    for extra in ((), EXTRA - {(forged.__name__, "AlsoSent")}):
        with pytest.raises(ResultRejected, match="AlsoSent, which is not part"):
            read(pickled(("value", sent)), extra=extra)


@pytest.mark.parametrize(
    "error", [MissingArgument("n"), UnknownPerformanceCounter("x"), ValueError("a", 1)]
)
@BOTH
def test_an_exception_arrives_as_itself(error: Exception, extra: Names) -> None:
    raised = read(pickled(("raised", *describe_exception(error))), extra=extra).raised
    assert raised is not None
    assert type(raised.exception) is type(error) and raised.exception.args == error.args
    assert raised.type_name == f"{type(error).__module__}.{type(error).__name__}"
    assert raised.text == str(error)


@BOTH
def test_an_exception_says_the_same_as_there(extra: Names) -> None:
    for error in (UnicodeDecodeError("utf-8", b"a", 0, 1, "bad"), OSError(2, "no", "file")):
        raised = read(pickled(("raised", *describe_exception(error))), extra=extra).raised
        assert raised is not None and str(raised.exception) == str(error)


def test_an_exception_of_the_callers_own_is_made_without_its_constructor() -> None:
    told = describe_exception(forged.SentError("a", 2))
    forged.ran.clear()
    raised = read(pickled(("raised", *told)), extra=EXTRA).raised
    assert raised is not None and type(raised.exception) is forged.SentError
    assert raised.exception.args == ("a", 2)
    raised = read(pickled(("raised", *told))).raised
    assert raised is not None and raised.exception is None and raised.text == "('a', 2)"


def test_what_cfiddle_does_not_know_is_told_and_the_rest_raised_itself() -> None:
    own = MissingArgument("n")
    assert RaisedThere("m.E", "t", "trace", own).as_cfiddle_exception() is own
    for exception in (KeyError("n"), None):
        told: Any = RaisedThere("builtins.KeyError", "'n'", "trace", exception)
        error = told.as_cfiddle_exception()
        assert error.message == "The experiment raised KeyError: 'n'"
        assert (error.type_name, error.remote_traceback) == ("builtins.KeyError", "trace")


def test_texts_of_an_exception_are_bounded_and_a_traceback_keeps_its_end() -> None:
    raised = read(pickled(("raised", "k" * 10**6, "t" * 10**6, "x" * 10**6 + "end", None))).raised
    assert raised is not None and raised.traceback.endswith("xend")
    assert max(map(len, (raised.type_name, raised.text, raised.traceback))) < 10**5


@BOTH
def test_a_record_cut_off_anywhere_leaves_those_before(extra: Names) -> None:
    whole = pickled(
        ("value", [1, 300, 70_000, 2.5, "text", b"bytes", {"a": None}, ValueError("n")])
    )
    for cut in range(1, len(whole)):
        records = read(pickled(("value", 1)) + whole[:cut], extra=extra)
        assert (records.values, records.truncated) == ([1], True), f"cut after {cut} bytes"

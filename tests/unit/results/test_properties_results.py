"""Any results: honest data come home as they were, all others are data of known classes or a no."""

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cfiddle.Data import InvocationResultsList
from cfiddle.Runner import InvocationResult
from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.printable import printable
from cfiddle_slurm.results.records import Records, read_records
from cfiddle_slurm.sandbox.guest.recording import Recorder
from tests.unit import forged_pickles as forged
from tests.unit.bounds import little_memory
from tests.unit.forged_pickles import EXTRA

PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.binary(max_size=5)
)  # fmt: skip
KEYS = st.recursive(PLAIN, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3))
ALSO_OF_CALLS = (
    PLAIN
    | st.dates()
    | st.datetimes(timezones=st.just(datetime.timezone.utc))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9))
    | st.builds(slice, st.integers(-9, 9), st.none() | st.integers(-9, 9))
    | st.builds(bytearray, st.binary(max_size=5))
    | st.sampled_from([pathlib.Path("/a b"), pathlib.PurePosixPath(".")])
)


def table_of(items: list[Any]) -> dict[Any, Any]:
    return {(number, f"{number}"): item for number, item in enumerate(items)}


MAKERS = st.sampled_from(
    [
        list,
        tuple,
        collections.deque,
        table_of,
        lambda items: collections.OrderedDict(table_of(items)),
        lambda items: collections.defaultdict(list, table_of(items)),
        lambda items: forged.SentPoint(items, len(items)),
    ]
)
HASHED = st.builds(
    lambda make, items: make(items),
    st.sampled_from([set, frozenset, collections.Counter]),
    st.lists(KEYS, max_size=3),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda make, items: make(items), MAKERS, st.lists(inner, max_size=3))


DATA = st.recursive(ALSO_OF_CALLS | HASHED, containers, max_leaves=8)


def recorded(*records: tuple[Any, ...]) -> bytes:
    stream = io.BytesIO()
    recorder = Recorder(stream)
    for one in records:
        recorder.record(one)
    return stream.getvalue()


def read(raw: bytes, invocations: tuple[Any, ...], *, call: bool) -> Records:
    stream = io.BufferedReader(io.BytesIO(raw))
    return read_records([stream], invocations, EXTRA if call else ())


@settings(max_examples=100)
@given(st.lists(DATA, max_size=3), st.dictionaries(st.text(max_size=5), DATA, max_size=3))
def test_what_a_call_returns_comes_home_as_it_was(values: list[Any], state: dict[str, Any]) -> None:
    raw = recorded(*(("value", value) for value in values), ("state", state, []))
    records = read(raw, (), call=True)
    assert (records.values, records.state) == (values, state)
    assert list(map(type, records.values)) == list(map(type, values))


@given(st.lists(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4), max_size=4))
def test_the_results_of_ones_own_runner_come_home_as_they_were(
    rows: list[dict[str, Any]],
) -> None:
    invocations = tuple(object() for _ in rows)
    stream = io.BytesIO()
    recorder = Recorder(stream)
    recorder.know(dict(enumerate(invocations)))
    for invocation, row in zip(invocations, rows, strict=True):
        counted = [collections.OrderedDict(row)]
        recorder.record(("result", InvocationResult(invocation, counted, -1)))
    found = read(stream.getvalue(), invocations, call=False).results
    assert [one.invocation for one in found] == list(invocations)
    # Names and texts are printed in tables, so they are such as can be printed.
    printed = [{shown(name): shown(value) for name, value in row.items()} for row in rows]
    assert [one.results for one in found] == [[row] for row in printed]


def shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


ALLOWED = (
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset,
    InvocationResult, InvocationResultsList, range, slice, object, io.BytesIO, io.StringIO,
    collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque,
    datetime.date, datetime.datetime, datetime.time,
    datetime.timedelta, datetime.timezone, decimal.Decimal, fractions.Fraction, pathlib.PosixPath,
    pathlib.PurePosixPath, uuid.UUID, *forged.SENT_CLASSES,
)  # fmt: skip
CLASSES = [
    forged.named(kind.__module__, kind.__name__)
    for kind in (*ALLOWED, ValueError, OSError, forged.SentError)
]
STEPS = st.sampled_from(
    [
        bytes([code])
        for code in b"()}]NRb.0120asuet\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94Q"
    ]
)
VALUES = (
    st.integers(0, 255).map(forged.number)
    | st.sampled_from([*CLASSES, *forged.NAMES.values()])
    | st.sampled_from(["value", "result", "state", "a", "__setstate__", "extend"]).map(forged.text)
    | st.integers(0, 3).map(forged.again)
)
OBJECTS = st.sampled_from(CLASSES).map(forged.bare) | st.builds(
    forged.called, st.sampled_from(CLASSES), VALUES
)
PROGRAMS = st.lists(STEPS | VALUES | OBJECTS, max_size=14).map(b"".join)


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    forged.ran.clear()
    yield
    assert forged.ran == []


class Invocation:
    """Stands for the caller's own."""

    def __init__(self) -> None:
        self.arguments = {"n": 1}

    def __call__(self, *arguments: Any) -> None:
        forged.ran.append(arguments)


def objects_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """A value and all that is in it."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    inside: list[Any] = []
    if isinstance(value, dict):
        inside += [*value, *dict.values(value)]
    elif isinstance(value, list | tuple | set | frozenset | collections.deque):
        inside += value
    if not isinstance(value, type):
        inside += getattr(value, "__dict__", {}).values()
    for one in inside:
        yield from objects_in(one, seen)


@settings(max_examples=200)
@given(PROGRAMS, st.sampled_from(["value", "result", "state"]), st.booleans(), st.booleans())
def test_any_program_makes_data_or_is_refused(
    program: bytes, kind: str, whole: bool, call: bool
) -> None:
    invocation = Invocation()
    raw = forged.record(program, kind) if whole else program
    before = [dict(vars(one)) for one in forged.SENT_CLASSES]
    with little_memory():
        try:
            records = read(raw, (invocation,), call=call)
        except ResultRejected as error:
            assert not isinstance(error.__cause__, MemoryError)
            records = Records(results=[], values=[])
    assert forged.ran == [] and vars(invocation) == {"arguments": {"n": 1}}
    assert [dict(vars(one)) for one in forged.SENT_CLASSES] == before
    found = [*records.results, *records.values, records.state]
    for one in objects_in(found, {id(invocation)}):
        # Classes are data, too, where they were allowed to be named.
        kind_of = one if isinstance(one, type) else type(one)
        known = kind_of in ALLOWED and (call or kind_of not in forged.SENT_CLASSES)
        assert known or issubclass(kind_of, Exception), kind_of

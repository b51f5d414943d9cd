"""Small pickles that would need endless memory, time or stack, or pass off data for methods."""

import io
import time
import tracemalloc
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from cfiddle.Runner import InvocationResult

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.results import budget, shown
from cfiddle_slurm.results.nesting import Nesting
from cfiddle_slurm.results.records import Records, read_records
from cfiddle_slurm.sandbox.guest.recording import Recorder
from tests.unit import forged_pickles as forged
from tests.unit.bounds import little_memory
from tests.unit.forged_bombs import (
    DEEP_OBJECTS,
    EMPTY_ONES,
    GREEDY,
    NEW,
    REFUSED,
    nested,
    type_kept,
)
from tests.unit.forged_pickles import (
    BUILD,
    EMPTY,
    EXTRA,
    NEWOBJ,
    REDUCE,
    SENT,
    again,
    announced,
    bare,
    called,
    kept,
    named,
    number,
    pickled,
    record,
    referred,
    table,
    text,
    tuple_of,
    unseen,
)

Names = Collection[tuple[str, str]]
BOTH = pytest.mark.parametrize("extra", [(), EXTRA], ids=["no classes sent", "classes sent"])
DEEP = 3000


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    forged.ran.clear()
    yield
    assert forged.ran == []


def read(raw: bytes, invocations: Sequence[Any] = (), extra: Names = ()) -> Records:
    return read_records([io.BufferedReader(io.BytesIO(raw))], invocations, extra)


def refused(body: bytes, *, invocations: Sequence[Any] = (), extra: Names = EXTRA) -> str:
    """Why the record is refused, which takes neither much memory nor, as it would, for ever."""
    began = time.process_time()
    with little_memory(), pytest.raises(ResultRejected) as caught:
        read(record(body), invocations=invocations, extra=extra)
    assert time.process_time() - began < 60
    assert not isinstance(caught.value.__cause__, MemoryError)
    assert len(str(caught.value)) < 1000
    return caught.value.message


def accepted(body: bytes, extra: Names = EXTRA) -> Any:
    """The value of a record."""
    return read(record(body), extra=extra).values[0]


@pytest.mark.parametrize("what", DEEP_OBJECTS)
def test_what_the_stack_is_too_short_for_is_refused(what: str) -> None:
    start, step, first = DEEP_OBJECTS[what]
    assert "nested too deeply" in refused(start + nested(step, DEEP, first))
    # As deep as anybody's data are, it comes home.
    if what != "pairs of a tuple":
        assert accepted(start + nested(step, 100, first)) is not None


@BOTH
def test_a_tuple_too_deep_to_be_a_key_is_refused_before_it_is_one(extra: Names) -> None:
    body = b"}" + EMPTY + b"\x85" * DEEP + b"Ns"
    assert "nested too deeply" in refused(body, extra=extra)
    body = b"(" + EMPTY + b"\x85" * DEEP + b"\x91"  # an element of a frozen set
    assert "nested too deeply" in refused(body, extra=extra)


def test_what_is_filled_from_outside_to_inside_is_no_deeper_than_that() -> None:
    start = type_kept("collections", "defaultdict") + unseen(kept(NEW, 1))
    step = again(1) + b"N" + kept(NEW, 2) + b"s0" + unseen(kept(again(2), 1))
    assert "nested too deeply" in refused(start + kept(again(1), 3) + unseen(step * DEEP) + b"N")


def test_what_holds_itself_comes_home() -> None:
    values: list[Any] = [[], {}]
    for value in values:
        value.append(value) if isinstance(value, list) else value.update(a=value)
    for value in values:
        (found,) = read(pickled(("value", value)), extra=EXTRA).values
        assert (found["a"] if isinstance(found, dict) else found[0]) is found
    table_ = accepted(kept(bare(named("collections", "defaultdict")), 1) + b"N" + again(1) + b"s")
    assert table_[None] is table_


@BOTH
def test_a_tuple_that_would_take_for_ever_to_hash_or_to_print_is_refused(extra: Names) -> None:
    doubled = EMPTY + b"2\x86" * 40
    for body in (doubled, b"}" + doubled + b"Ns", doubled + number(1) + b"a", referred(doubled)):
        assert "nested too deeply" in refused(body, extra=extra)
    assert accepted(EMPTY + b"2\x86" * 10, extra=extra)


def test_lists_that_would_take_for_ever_to_print_are_not_printed() -> None:
    doubled = nested(b"]" + again(1) + b"a" + again(1) + b"a", 40, b"]")
    assert "tries to fill" in refused(bare(named("builtins", "object")) + doubled + b"a")
    assert "a state of an unknown form" in refused(BARE + doubled + BUILD)
    assert "tries to call an object of the class builtins.list" in refused(doubled + EMPTY + REDUCE)
    assert "was not sent" in refused(referred(doubled))
    assert "which pickle never does" in refused(
        named("builtins", "str") + doubled + b"\x85" + REDUCE
    )


PLACES = range(2, 20)
DOUBLED = {
    "lists": nested(b"](" + again(1) * 2 + b"e", 40, b"N"),
    "tables": nested(b"}(" + number(1) + again(1) + number(2) + again(1) + b"u", 40, b"N"),
    "deques": type_kept("collections", "deque")
    + nested(again(0) + b")\x81(" + again(1) * 2 + b"e", 40, b"N"),
    "lists of lists that hold each other": b"".join(
        unseen(kept(b"]", place)) for place in PLACES
    ) + b"".join(
        unseen(again(place) + b"(" + b"".join(map(again, PLACES)) + b"e") for place in PLACES
    ) + again(2),
    "a long text in many places": unseen(kept(b"X\0\0\x01\0" + b"a" * (1 << 16), 1))
    + b"](" + again(1) * 20_000 + b"e",
}  # fmt: skip


@pytest.mark.parametrize("what", DOUBLED)
@BOTH
def test_what_would_be_endless_to_print_is_refused(
    what: str, extra: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the bound is, it is reached; a lower one is reached sooner.
    monkeypatch.setattr(shown, "_SHOWN", 1 << 14)
    if extra or what != "deques":
        assert "when they are shown" in refused(DOUBLED[what], extra=extra)
    if not extra:
        result = forged.bare(named("cfiddle.Runner", "InvocationResult"))
        if what != "deques":
            body = result + table(invocation=b"N", results=DOUBLED[what]) + BUILD
            assert "when they are shown" in refused(body, extra=extra)


def test_what_stands_in_several_places_comes_home() -> None:
    row, source = [1.5] * 1000, "x" * 10_000
    value = [[row] * 1000, [{"n": n, "source": source} for n in range(1000)]]
    assert read(pickled(("value", value)), extra=EXTRA).values == [value]


@pytest.mark.parametrize("what", GREEDY)
def test_a_few_bytes_do_not_fill_memory(what: str) -> None:
    refused(GREEDY[what])


@pytest.mark.parametrize("what", EMPTY_ONES)
def test_no_number_of_small_objects_fills_memory(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_BASE", 1 << 20)  # so that few show what becomes of many
    raw = record(EMPTY_ONES[what])
    tracemalloc.start()
    try:
        read(raw, extra=EXTRA)
    except ResultRejected as error:
        assert "proportion" in error.message or "over and over" in error.message
    else:
        assert what not in REFUSED
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < (2 << 20) + 64 * len(raw)


def test_no_megabytes_of_empty_sets_become_gigabytes() -> None:
    # They were one and a half, in fifteen seconds.
    raw = record(b"(" + b"\x8f" * 6_000_000 + b"t")
    with little_memory(), pytest.raises(ResultRejected, match="out of all proportion"):
        read(raw)


@pytest.mark.parametrize("rows", [1000, 50_000])
def test_many_measurements_are_not_out_of_proportion(rows: int) -> None:
    invocation = object()
    stream = io.BytesIO()
    recorder = Recorder(stream)
    recorder.know({0: invocation})
    counted = [OrderedDict(ET=0.5 + row, cycles=3.5 * row) for row in range(rows)]
    recorder.record(("result", InvocationResult(invocation, counted, -1)))
    (found,) = read(stream.getvalue(), [invocation]).results
    assert found.results == counted


@pytest.mark.parametrize(
    "value",
    [
        [[] for _ in range(20_000)], [{"a": number} for number in range(50_000)],
        [deque([number]) for number in range(20_000)],
        [forged.SentPoint(number, "a") for number in range(50_000)],
        {number: {number} for number in range(50_000)}, Counter(range(50_000)),
        [Decimal(number) for number in range(20_000)],
    ],
    ids=["lists", "tables", "deques", "points", "sets", "a counter", "decimals"],
)  # fmt: skip
def test_much_that_is_honest_comes_home(value: Any) -> None:
    assert read(pickled(("value", value)), extra=EXTRA).values == [value]


def test_no_encoding_is_imported_to_make_a_text() -> None:
    for kind in ("str", "bytearray"):
        body = named("builtins", kind) + b"C\x01a" + text("punycode") + b"\x86R"
        assert "in a way that pickle never does" in refused(body)


@pytest.mark.parametrize(
    "kind", [b"\x8d", b"\x8e", b"\x96", b"\x95"], ids=["a text", "bytes", "an array", "a frame"]
)
@pytest.mark.parametrize("length", [1 << 30, (1 << 62) + 1])
@BOTH
def test_no_room_is_made_for_bytes_that_do_not_come(kind: bytes, length: int, extra: Names) -> None:
    with little_memory():
        records = read(pickled(("value", 1)) + announced(kind, length) + b"abc", extra=extra)
    # As when a process was killed while it wrote.
    assert records == Records(results=[], values=[1], truncated=True)


BARE = bare(named(forged.__name__, "AlsoSent"))
LIST = bare(named("cfiddle.Data", "InvocationResultsList"))
ORDERED = bare(named("collections", "OrderedDict"))


class Callable:
    """Stands for a caller's own object that can be called."""

    def __call__(self, *arguments: Any) -> None:
        forged.ran.append(arguments)


@pytest.mark.parametrize("method", [SENT, referred(number(0)), named("builtins", "str")])
def test_an_object_does_not_say_itself_how_it_takes_its_state(method: bytes) -> None:
    shadowed = BARE + table(__setstate__=method) + BUILD
    for body in (shadowed, shadowed + text("payload") + BUILD):
        assert "would obey" in refused(body, invocations=[Callable()])


@pytest.mark.parametrize("method", [SENT, referred(number(0))])
def test_a_list_does_not_say_itself_how_it_is_filled(method: bytes) -> None:
    shadowed = LIST + table(append=method, extend=method) + BUILD
    for fill in (number(7) + b"a", b"(" + number(7) + b"e"):
        (found,) = read(record(shadowed + fill), invocations=[Callable()], extra=EXTRA).values
        assert found == [7]


def test_a_table_does_not_say_itself_what_its_items_are() -> None:
    shadowed = ORDERED + table(items=SENT, keys=SENT) + BUILD
    assert "a state of an unknown form" in refused(BARE + shadowed + BUILD)
    refused(named("builtins", "complex") + EMPTY + shadowed + b"\x92")


def test_no_method_of_a_class_that_was_sent_fills_its_objects() -> None:
    for name, fill, content in [
        ("SentList", b"(" + number(7) + b"e", [7]),
        ("SentList", number(7) + b"a", [7]),
        ("SentTable", number(7) + number(8) + b"s", {7: 8}),
        ("SentTable", b"(" + number(7) + number(8) + b"u", {7: 8}),
        ("SentSet", b"(" + number(7) + b"\x90", {7}),
    ]:
        assert accepted(bare(named(forged.__name__, name)) + fill) == content


def test_no_constructor_is_called_by_another_way_of_making_objects() -> None:
    choosy = named(forged.__name__, "SentChoosy")
    assert "tries to call" in refused(choosy + tuple_of(number(7)) + NEWOBJ)
    assert "tries to call" in refused(choosy + EMPTY + table(a=number(7)) + forged.NEWOBJ_EX)
    assert type(accepted(bare(choosy))) is forged.SentChoosy


def test_a_named_tuple_comes_home() -> None:
    point = forged.SentPoint(1, forged.SentPoint("a", (2, 3)))
    (found,) = read(pickled(("value", point)), extra=EXTRA).values
    assert found == point and type(found.y) is forged.SentPoint


def test_an_exception_is_made_without_its_constructor_in_a_run_as_in_a_call() -> None:
    body = called(named("builtins", "OSError"), b"]" + number(1) + b"a")
    for extra in ((), EXTRA):
        assert accepted(body, extra=extra).args == ([1],)
    assert "in a way that pickle never does" in refused(
        named("builtins", "OSError") + b"]" + REDUCE
    )


def test_only_a_tuple_is_a_record() -> None:
    with pytest.raises(ResultRejected, match="unknown form"):
        read(pickled(["value", 1]))


def test_the_depth_of_an_object_is_not_that_of_one_before_at_its_address() -> None:
    follow = Nesting()
    for _ in range(200):
        one: tuple[Any, ...] = ()
        for _ in range(20):
            one = (one, 1)
            follow.made(one)

"""Forged records: whatever their bytes, nothing runs here and nothing of the caller changes."""

import copyreg
import io
import pickle
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from cfiddle.Runner import InvocationResult
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.results.records import Records, read_records
from cfiddle_slurm.sandbox.guest.experiment import describe_exception
from tests.unit import forged_pickles as forged
from tests.unit.bounds import little_memory
from tests.unit.forged_pickles import EXTRA, pickled, record

Names = Collection[tuple[str, str]]
BOTH = pytest.mark.parametrize("extra", [(), EXTRA], ids=["no classes sent", "classes sent"])


class Invocation:
    """Stands for the caller's own; it is never pickled."""

    def __init__(self) -> None:
        self.arguments = {"n": 1}


def read(raw: bytes, invocations: Sequence[Any] = (), extra: Names = ()) -> Records:
    stream = io.BufferedReader(io.BytesIO(raw))
    return read_records([stream], invocations, extra)


def refused(raw: bytes, **how: Any) -> ResultRejected:
    with pytest.raises(ResultRejected) as caught:
        read(raw, **how)
    assert forged.ran == []
    return caught.value


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    forged.ran.clear()
    yield
    assert forged.ran == []


@BOTH
@pytest.mark.parametrize("value", forged.NOT_RECORDS, ids=repr)
def test_a_record_of_another_form_is_refused(value: Any, extra: Names) -> None:
    assert "unknown form" in refused(pickled(value), extra=extra).message


@BOTH
@pytest.mark.parametrize("what", forged.BROKEN)
def test_a_broken_pickle_is_refused(what: str, extra: Names) -> None:
    refused(forged.BROKEN[what] + pickled(("value", 1)), extra=extra)


@BOTH
@pytest.mark.parametrize("what", forged.NAMES)
def test_a_name_is_refused_alone_called_and_deep_inside(what: str, extra: Names) -> None:
    name = forged.NAMES[what]
    copyreg.add_extension("os", "system", 77)
    try:
        for body in (name, forged.called(name, forged.text("x")), forged.tuple_of(name)):
            for kind in ("value", "result"):
                refused(record(body, kind), extra=extra)
        refused(pickled(("value", 1)) + record(name), extra=extra)
        # An exception may be of any class; then it is told, not made.
        if name.endswith(b"\x93") and name.startswith(b"\x8c"):
            texts = [forged.text(one) for one in ("raised", "a.E", "text", "trace")]
            inner = b"\x80\x05(" + b"".join(texts) + b"(" + name[:-1] + b")}tt."
            raised = read(inner, extra=extra).raised
            assert raised is not None and raised.exception is None
    finally:
        copyreg.remove_extension("os", "system", 77)


@BOTH
def test_a_name_that_does_not_exist_is_refused_as_any_other(extra: Names) -> None:
    name = forged.NAMES["a module that CFiddle does not have"]
    error = refused(record(name), extra=extra)
    assert "refers to cfiddle.none.x, which is not part" in error.message


@BOTH
def test_an_exception_that_is_none_is_told_only(extra: Names) -> None:
    for module, name in (("builtins", "int"), ("builtins", "print"), ("os", "")):
        form: Any = (module, name, (), {})
        raised = read(pickled(("raised", "a.E", "text", "trace", form)), extra=extra).raised
        assert raised is not None and raised.exception is None and raised.text == "text"


@BOTH
def test_an_extension_code_that_was_used_before_is_no_way_around(extra: Names) -> None:
    # Whatever a code stood for when it was last loaded, pickle takes from a cache of its own.
    copyreg.add_extension(forged.__name__, "run", 77)
    code = forged.NAMES["an extension code"]
    try:
        assert pickle.loads(b"\x80\x02" + code + b".") is forged.run
        refused(record(forged.called(code, forged.text("x"))), extra=extra)
        refused(record(code), extra=extra)
    finally:
        copyreg.remove_extension(forged.__name__, "run", 77)


@pytest.mark.parametrize(
    "raw",
    [
        record(forged.called(forged.SENT, forged.text("x"))),
        record(forged.SENT + forged.EMPTY + forged.REDUCE),
        b"(S'x'\ni" + forged.__name__.encode() + b"\nSent\n.",
        b"(c" + forged.__name__.encode() + b"\nSent\nS'x'\no.",
        record(forged.called(forged.referred(forged.number(0)), forged.text("x"))),
    ],
    ids=["a call", "an empty call", "INST", "OBJ", "a call of the caller's object"],
)
def test_no_constructor_of_a_class_that_was_sent_is_called(raw: bytes) -> None:
    assert "tries to call" in refused(raw, invocations=[forged.run], extra=EXTRA).message


@pytest.mark.parametrize(
    "number", [-1, 2, 2**63, "0", None, 0.0, (0,), b"0"], ids=lambda number: repr(number)
)
@BOTH
def test_only_what_was_sent_is_referred_to(number: Any, extra: Names) -> None:
    body = pickled(number)[2:-1]
    if body[:1] == b"\x95":
        body = body[9:]
    error = refused(record(forged.referred(body)), invocations=[1, 2], extra=extra)
    assert "was not sent" in error.message


@BOTH
def test_a_class_is_not_changed_by_a_record(extra: Names) -> None:
    for target in (forged.named("cfiddle.Runner", "InvocationResult"), forged.ALSO_SENT):
        body = forged.attributes_set(target, hacked=forged.number(1))
        try:
            with pytest.raises(ResultRejected):
                read(record(body), extra=extra)
        finally:
            changed = [hasattr(kind, "hacked") for kind in (InvocationResult, forged.AlsoSent)]
            for kind in (InvocationResult, forged.AlsoSent):
                if hasattr(kind, "hacked"):
                    delattr(kind, "hacked")
        assert changed == [False, False]


@pytest.fixture
def classes_as_before() -> Iterator[None]:
    """Put back what a record may have changed of the classes that were sent."""
    yield
    forged.Sent.__name__, forged.Sent.__module__ = "Sent", forged.__name__
    for name in {"__setstate__"} & set(vars(forged.AlsoSent)):
        delattr(forged.AlsoSent, name)


def test_no_change_of_a_class_makes_its_constructor_harmless(classes_as_before: None) -> None:
    renamed = forged.attributes_set(
        forged.SENT, __name__=forged.text("Counter"), __module__=forged.text("collections")
    )
    body = forged.after(renamed, forged.called(forged.SENT, forged.text("payload")))
    refused(record(body), extra=EXTRA)


def test_no_change_of_a_class_makes_a_constructor_restore_states(classes_as_before: None) -> None:
    changed = forged.attributes_set(forged.ALSO_SENT, __setstate__=forged.SENT)
    bare = forged.ALSO_SENT + forged.EMPTY + forged.NEWOBJ
    body = forged.after(changed, bare + forged.text("payload") + forged.BUILD)
    refused(record(body), extra=EXTRA)


@BOTH
def test_the_callers_own_objects_are_not_changed_by_a_record(extra: Names) -> None:
    invocation = Invocation()
    target = forged.referred(forged.number(0))
    body = target + forged.table(arguments=forged.number(0)) + forged.BUILD
    with pytest.raises(ResultRejected):
        read(record(body), invocations=[invocation], extra=extra)
    assert invocation.arguments == {"n": 1}


SAMPLES = [
    pickled(("value", [1, 2.5, "text", {"a": (None, 10**30)}, complex(1, 2)])),
    pickled(("raised", *describe_exception(KeyError("n")))),
    record(forged.called(forged.SENT, forged.text("x"))),
    record(forged.referred(forged.number(0))),
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
    st.binary(max_size=40),
    st.booleans(),
)
def test_any_bytes_are_records_or_a_clear_no(
    sample: bytes, changes: list[tuple[int, int]], more: bytes, call: bool
) -> None:
    raw = bytearray(sample)
    for place, value in changes:
        raw[place % len(raw)] = value
    for stream in (bytes(raw) + more, more):
        with little_memory():
            try:
                records = read(stream, invocations=[1], extra=EXTRA if call else ())
            except ResultRejected:
                continue
        assert isinstance(records, Records)

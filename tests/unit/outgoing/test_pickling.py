"""What goes to the sandbox as a pickle, and what it needs there."""

import collections
import ctypes
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.pickling import Pickled
from cfiddle_slurm.outgoing.pickling import dump as dump_all

DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def dump(value: object) -> Pickled:
    return dump_all({"value": value})


def arrived(found: Pickled) -> Any:
    return pickle.loads(found.data)["value"]


class Mine:
    """A class of a module of the user's own."""

    class Inner:
        """One inside it."""

    def method(self) -> None:
        """Do nothing."""


class Stubborn:
    """It refuses to be pickled, in a way of its own."""

    def __getstate__(self) -> Any:
        raise RuntimeError("not now")


def mine() -> None:
    """Do nothing."""


@given(DATA)
def test_data_arrives_as_it_left_and_names_nothing(value: Any) -> None:
    found = dump(value)
    assert arrived(found) == value
    assert found.names == found.foreign == frozenset()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Mine(), "Mine"),
        ([{"a": (Mine,)}], "Mine"),
        (Mine.Inner(), "Mine.Inner"),
        (mine, "mine"),
        (Mine().method, "Mine.method"),
    ],
)
def test_classes_and_functions_are_named_however_deep(value: object, name: str) -> None:
    foreign = dump(value).foreign
    assert (__name__, name) in foreign and foreign <= {(__name__, name), (__name__, "Mine")}


def test_the_standard_library_and_cfiddle_are_not_foreign() -> None:
    from cfiddle.Runner import InvocationResult

    found = dump([collections.OrderedDict(), ctypes.c_int(1), InvocationResult])
    assert ("collections", "OrderedDict") in found.names
    assert ("cfiddle.Runner", "InvocationResult") in found.names
    assert found.foreign == frozenset()
    assert found.names_package("cfiddle") and found.names_package("collections")
    assert not found.names_package("cfid") and not found.names_package("cfiddle.Runner")


def a_class_here() -> type:
    class Here:
        def answer(self) -> int:
            return 42

    return Here


def of_the_notebook(thing: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As if a cell had defined it."""
    thing.__module__, thing.__qualname__ = "__main__", thing.__name__
    monkeypatch.setattr(sys.modules["__main__"], thing.__name__, thing, raising=False)
    return thing


@pytest.mark.parametrize("where", ["in a cell", "in a function"])
@pytest.mark.parametrize("kind", ["a class", "an instance", "a method"])
def test_classes_that_nobody_can_import_travel_by_value(
    kind: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = a_class_here()
    if where == "in a cell":
        here = of_the_notebook(here, monkeypatch)
    value = {"a class": here, "an instance": here(), "a method": here().answer}[kind]
    found = dump([value])
    assert here in found.by_value
    name = (here.__module__, here.__qualname__)
    assert name in found.valued and name not in found.names
    # A process that has neither this module nor this class:
    program = "import pickle, sys; value = pickle.load(sys.stdin.buffer)['value'][0]; "
    call = {"a class": "value().answer()", "an instance": "value.answer()", "a method": "value()"}
    assert elsewhere(found, f"{program} print({call[kind]})") == "42"


def elsewhere(found: Pickled, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=found.data, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode().strip()


def test_functions_travel_by_value_with_what_they_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def cube(n: int) -> int:
        if n < 0:
            import own_of_the_function  # type: ignore[import-not-found]  # noqa: F401
        return n**3

    twice = eval("lambda n: 2 * cube(n) + len(words)", {"cube": cube, "words": ["a"]})  # noqa: S307
    found = dump({"f": twice, "again": twice})
    assert {cube, twice} <= set(found.by_value)
    assert ("own_of_the_function", "") in found.names, "what it imports when it is called"
    content = pickle.loads(found.data)
    assert content["value"]["f"](3) == 55
    assert content["value"]["f"] is content["value"]["again"]
    # By their places in this list what comes home refers to them.
    assert content["by_value"][found.by_value.index(twice)] is content["value"]["f"]
    assert len(content["by_value"]) == len(found.by_value)


def test_modules_are_named_and_stay() -> None:
    found = dump([json.decoder])
    assert ("json.decoder", "") in found.names
    assert arrived(found) == [json.decoder]


def test_what_stays_is_nothing_there() -> None:
    here = Mine()
    found = dump_all({"a": [here, Mine()]}, stays=lambda obj: obj is here)
    first, second = pickle.loads(found.data)["a"]
    assert first is None and isinstance(second, Mine)


def endless() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "make",
    [
        lambda: (number for number in range(2)),
        threading.Lock,
        lambda: sys.stdout.buffer,
        endless,
        lambda: ctypes.pointer(ctypes.c_int(1)),
        Stubborn,
    ],
    ids=["generator", "lock", "file", "depth", "pointer", "its own words"],
)
def test_what_cannot_be_pickled_is_told(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="cannot be sent to the cluster") as caught:
        dump(make())
    assert caught.value.cause and not caught.value.transient


@pytest.mark.parametrize(
    ("kind", "value"), [("int64", 2**40), ("float32", 0.5), ("bool_", True), ("str_", "text")]
)
def test_a_number_of_numpy_travels_as_pythons_own(kind: str, value: Any) -> None:
    found = dump(getattr(numpy, kind)(value))
    assert arrived(found) == value and type(arrived(found)) is type(value)
    assert found.foreign == frozenset()


@pytest.mark.parametrize("length", [0, 1, 3])
def test_an_array_of_numpy_travels_as_an_array(length: int) -> None:
    found = dump(numpy.arange(length))
    array = arrived(found)
    assert type(array) is numpy.ndarray and array.tolist() == list(range(length))
    assert found.names_package("numpy")

"""What goes to the sandbox as a pickle, and what it needs there."""

import collections
import ctypes
import importlib
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.pickling import dump, user_modules

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
    assert pickle.loads(found.data) == value
    assert found.names == found.foreign == frozenset()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Mine(), "Mine"),
        ([{"a": (Mine,)}], "Mine"),
        (Mine.Inner(), "Mine.Inner"),
        (mine, "mine"),
        (Mine().method, "Mine"),
    ],
)
def test_classes_and_functions_are_named_however_deep(value: object, name: str) -> None:
    assert dump(value).foreign == {(__name__, name)}


def test_the_standard_library_and_cfiddle_are_not_foreign() -> None:
    from cfiddle.Runner import InvocationResult

    found = dump([collections.OrderedDict(), ctypes.c_int(1), InvocationResult])
    assert ("collections", "OrderedDict") in found.names
    assert ("cfiddle.Runner", "InvocationResult") in found.names
    assert found.foreign == frozenset()
    assert found.names_package("cfiddle") and found.names_package("collections")
    assert not found.names_package("cfid") and not found.names_package("cfiddle.Runner")


@pytest.mark.parametrize("kind", ["a class", "an instance", "a function"])
def test_what_the_notebook_itself_defines_does_not_travel(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here:
        pass

    def here() -> None:
        pass

    for found in (Here, here):
        found.__module__, found.__qualname__ = "__main__", found.__name__
        monkeypatch.setattr(sys.modules["__main__"], found.__name__, found, raising=False)
    value = {"a class": Here, "an instance": Here(), "a function": here}[kind]
    with pytest.raises(InputError, match="is defined in the notebook") as caught:
        dump([value])
    assert "import it" in caught.value.hint


def endless() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda: None,
        lambda: (number for number in range(2)),
        threading.Lock,
        lambda: sys.stdout.buffer,
        lambda: sys,
        endless,
        lambda: ctypes.pointer(ctypes.c_int(1)),
        Stubborn,
    ],
    ids=["lambda", "generator", "lock", "file", "module", "depth", "pointer", "its own words"],
)
def test_what_cannot_be_pickled_is_told(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="cannot be sent to the cluster") as caught:
        dump({"argument": make()})
    assert caught.value.cause and not caught.value.transient


@pytest.mark.parametrize(
    ("kind", "value"), [("int64", 2**40), ("float32", 0.5), ("bool_", True), ("str_", "text")]
)
def test_a_number_of_numpy_travels_as_pythons_own(kind: str, value: Any) -> None:
    found = dump({"n": getattr(numpy, kind)(value)})
    arrived = pickle.loads(found.data)["n"]
    assert arrived == value and type(arrived) is type(value)
    assert found.foreign == frozenset()


@pytest.mark.parametrize("length", [0, 1, 3])
def test_an_array_of_numpy_travels_as_an_array(length: int) -> None:
    found = dump(numpy.arange(length))
    arrived = pickle.loads(found.data)
    assert type(arrived) is numpy.ndarray and arrived.tolist() == list(range(length))
    assert found.names_package("numpy")


@pytest.fixture
def imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., frozenset[tuple[str, str]]]]:
    """``imported(module, *files)`` writes source files, imports a module and names one of it."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(module: str, *files: str) -> frozenset[tuple[str, str]]:
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        importlib.import_module(module)
        return frozenset({(module, "name")})

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("module", "files", "sent"),
    [
        ("own_module", ["own_module.py", "other.py"], ["own_module.py"]),
        (
            "own_package.sub.part",
            [
                "own_package/__init__.py",
                "own_package/data.txt",
                "own_package/helper.py",
                "own_package/sub/__init__.py",
                "own_package/sub/part.py",
            ],
            [
                "own_package/__init__.py",
                "own_package/helper.py",
                "own_package/sub/__init__.py",
                "own_package/sub/part.py",
            ],
        ),
        ("own_folder.part", ["own_folder/part.py"], ["own_folder/part.py"]),
    ],
    ids=["a module", "a package", "a package without __init__.py"],
)
def test_the_sources_of_own_modules_travel(
    imported: Any, tmp_path: Path, module: str, files: list[str], sent: list[str]
) -> None:
    members = user_modules(imported(module, *files), "modules")
    assert [member.path for member in members] == [f"modules/{name}" for name in sent]
    assert [member.source for member in members] == [tmp_path / name for name in sent]


def test_a_package_travels_once_however_much_of_it_is_named(imported: Any) -> None:
    names = imported("own_pair.one", "own_pair/__init__.py", "own_pair/one.py", "own_pair/two.py")
    names |= imported("own_pair.two") | {("own_pair", "x")}
    assert len(user_modules(names, "modules")) == 3


def test_what_the_sandbox_has_does_not_travel(
    imported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    names = imported("installed_one", "site-packages/installed_one.py")
    names |= {(name, "x") for name in ("os", "json.decoder", "builtins", "cfiddle.Runner")}
    names |= {("cfiddle_slurm.settings", "Settings"), ("never_imported", "x"), ("pytest", "x")}
    assert user_modules(names, "modules") == []

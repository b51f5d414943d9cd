"""What comes home of classes that were sent by value, or whose module was sent."""

import enum
import importlib
import io
import pickle
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.results.allowed import whole_module
from cfiddle_slurm.results.records import Records, read_records
from cfiddle_slurm.sandbox.guest.recording import Recorder
from tests.unit import forged_pickles as forged

MODULE = """
from subprocess import Popen

ran = []


class Point:
    def __init__(self, x):
        ran.append("constructor")
        self.x = x


class Ends(Point):
    def __del__(self):
        ran.append("end")


class Obeys(Point):
    def __setstate__(self, state):
        ran.append("state")


def function():
    ran.append("call")
"""


class Colour(enum.Enum):
    RED = [1]  # noqa: RUF012 - a value that cannot be a key

    @classmethod
    def _missing_(cls, value: object) -> "Colour":
        forged.ran.append("missing")
        return cls.RED


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Far(enum.Flag, boundary=enum.STRICT):  # type: ignore[call-arg,unused-ignore]
    A = 1


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's own."""
    (tmp_path / "students_sent.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("students_sent")
    yield module
    del sys.modules["students_sent"]
    assert module.ran == [] and forged.ran == []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    forged.ran.clear()


def read(raw: bytes, known: Sequence[Any] = (), extra: Collection[Any] = ()) -> Records:
    return read_records([io.BufferedReader(io.BytesIO(raw))], known, extra)


def recorded(value: object, known: dict[int, object] | None = None) -> bytes:
    """What the experiment's process writes for it."""
    stream = io.BytesIO()
    recorder = Recorder(stream)
    recorder.know(known or {})
    recorder.record(("value", value))
    return stream.getvalue()


def test_classes_and_functions_by_value_are_the_callers_own(sent: Any) -> None:
    class Here:
        pass

    here = Here()
    here.x = 5  # type: ignore[attr-defined]
    raw = recorded([here, Here, sent.function], {1: Here, 2: sent.function})
    ((made, kind, function),) = read(raw, ["the object", Here, sent.function]).values
    assert type(made) is kind is Here and vars(made) == {"x": 5}
    assert function is sent.function


@pytest.mark.parametrize("what", ["call", "change", "fill"])
def test_they_are_neither_called_nor_changed(sent: Any, what: str) -> None:
    referred = forged.referred(forged.number(0))
    body = {
        "call": forged.called(referred, forged.number(1)),
        "change": forged.attributes_set(referred, x=forged.number(1)),
        "fill": referred + forged.table(x=forged.number(1))[1:],
    }[what]
    for thing in (sent.function, sent.Point):
        with pytest.raises(ResultRejected):
            read(forged.record(body), [thing])
        assert not hasattr(thing, "x")


def test_a_module_that_was_sent_may_give_objects_of_all_its_classes(sent: Any) -> None:
    point = sent.Point.__new__(sent.Point)
    point.x = 7
    raw = recorded({"found": [point]})
    ((found,),) = (one["found"] for one in read(raw, extra={whole_module("students_sent")}).values)
    assert type(found) is sent.Point and found.x == 7
    for extra in ((), {("students_sent", "Other")}, {whole_module("other")}):
        with pytest.raises(ResultRejected, match=r"students_sent\.Point"):
            read(raw, extra=extra)


@pytest.mark.parametrize("name", ["Popen", "Ends", "Obeys", "function", "ran", "Missing"])
def test_but_not_of_those_that_would_run_something(sent: Any, name: str) -> None:
    raw = forged.record(forged.bare(forged.named("students_sent", name)))
    with pytest.raises(ResultRejected, match="which is not part of a CFiddle result"):
        read(raw, extra={whole_module("students_sent")})


def test_a_module_that_is_not_loaded_here_is_not_loaded(sent: Any, tmp_path: Path) -> None:
    (tmp_path / "students_late.py").write_text("raise SystemExit('it ran')")
    raw = forged.record(forged.bare(forged.named("students_late", "Point")))
    with pytest.raises(ResultRejected, match="students_late"):
        read(raw, extra={whole_module("students_late")})


EXTRA = {(__name__, "Colour"), (__name__, "Bits"), (__name__, "Far")}


@pytest.mark.parametrize("member", [Colour.RED, Bits.A, Bits.A | Bits.B, Bits(0), Far.A], ids=repr)
def test_members_come_back_as_themselves(member: enum.Enum) -> None:
    assert read(recorded(member), extra=EXTRA).values[0] is member
    assert forged.ran == []


def test_a_member_of_a_class_by_value_comes_back() -> None:
    Local = enum.Enum("Local", ["ONE"])
    assert read(recorded(Local.ONE, {1: Local}), ["object", Local]).values == [Local.ONE]


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("Colour", forged.text("BLUE")),
        ("Colour", forged.text("__class__")),
        ("Colour", forged.number(1)),
        ("Bits", forged.text("A")),
        ("Far", forged.number(8)),
    ],
)
def test_what_is_no_member_is_refused(kind: str, argument: bytes) -> None:
    raw = forged.record(forged.called(forged.named(__name__, kind), argument))
    with pytest.raises(ResultRejected, match="names no member"):
        read(raw, extra=EXTRA)
    assert forged.ran == []


def test_a_member_is_not_changed() -> None:
    member = forged.called(forged.named(__name__, "Colour"), forged.text("RED"))
    raw = forged.record(forged.attributes_set(member, x=forged.number(1)))
    with pytest.raises(ResultRejected, match="tries to change"):
        read(raw, extra=EXTRA)
    assert not hasattr(Colour.RED, "x")


def test_members_as_pickle_itself_writes_them_are_refused() -> None:
    # Which asks the class: the guest never writes that.
    with pytest.raises(ResultRejected):
        read(pickle.dumps(("value", Colour.RED), protocol=5), extra=EXTRA)

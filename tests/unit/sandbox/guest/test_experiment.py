"""The experiment's process: what it records, and what it makes of its plan."""

import builtins
import ctypes
import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cfiddle.CProtoParser import CProtoParser

from cfiddle_slurm.bundle.layout import DONE, FILES, MODULES, RESULTS
from cfiddle_slurm.sandbox.guest import experiment, processes
from cfiddle_slurm.sandbox.guest.experiment import describe_exception, result_type
from tests.unit.sandbox.guest.recorded import recorded


class Choosy(Exception):
    """Its text is made of what does not travel."""

    def __str__(self) -> str:
        return f"{self.args[0].there}"


def raised(error: Exception) -> Exception:
    """The exception with a traceback."""
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_exception_is_told_in_full() -> None:
    name, text, trace, form = describe_exception(raised(ZeroDivisionError("by nought")))
    assert (name, text) == ("builtins.ZeroDivisionError", "by nought")
    assert trace.startswith("Traceback") and "in raised" in trace
    assert form == ("builtins", "ZeroDivisionError", ("by nought",), {})


@pytest.mark.parametrize(
    "error",
    [
        Choosy(SimpleNamespace(there=1)),
        vars(builtins).get("ExceptionGroup", Choosy)("a", [ValueError()]),
    ],
)
def test_an_exception_that_cannot_travel_is_told_of_all_the_same(error: Exception) -> None:
    name, text, _, form = describe_exception(raised(error))
    assert name.endswith(type(error).__qualname__)
    assert text == str(error)
    assert form is None


def test_what_is_not_plain_of_an_exception_is_told_in_words() -> None:
    thing = object()
    nested: Any = (2.5, [None, {"a": b"b"}])
    failed = subprocess.CalledProcessError(3, ["a"], b"x")
    for error, arguments, attributes in [
        (ValueError(thing), (str(thing),), {}),
        (KeyError(thing), (str(thing),), {}),
        (ValueError(1, thing, nested), (1, str(thing), nested), {}),
        (ValueError(["x" * 9000] * 9000), (str(["x" * 9000] * 9000)[:20_000],), {}),
        (OSError(2, "no", "file"), (2, "no", "file"), {}),
        (OSError(2, "no", "file", None, "other"), (2, "no", "file", None, "other"), {}),
        (SyntaxError("bad", ("/dev/zero", 1, 1, None)), ("bad (zero, line 1)",), {}),
        (failed, (3, ["a"], b"x"), vars(failed)),
    ]:  # fmt: skip
        _, _, _, form = describe_exception(raised(error))
        assert form is not None and form[2:] == (arguments, attributes), error
    error = ImportError("no", name="evilmod", path="x")
    error.__cause__, error.__context__ = ValueError(), KeyError()
    vars(error).update(code=5, thing=thing, _hidden=6)
    _, _, _, form = describe_exception(raised(error))
    assert form is not None
    assert form[2] == ("no",) and form[3].get("code") == 5 and "thing" not in form[3]


def test_each_executable_gets_its_copy_and_a_fresh_place_for_results(tmp_path: Path) -> None:
    places = {
        "/home/a/1.so": {"library": "libs/0/1.so", "build_dir": "build/0"},
        "/home/a/2.so": {"library": "libs/1/2.so", "build_dir": "build/1"},
    }
    runs = [
        SimpleNamespace(executable=SimpleNamespace(lib=lib, build_dir="/home/a"))
        for lib in ("/home/a/1.so", "/home/a/2.so", "/home/a/1.so", "/unknown.so")
    ]
    shared = SimpleNamespace(executable=runs[0].executable)
    experiment._bring_libraries([*runs, shared], places, str(tmp_path))
    work = str(tmp_path)
    assert [run.executable.lib for run in runs] == [
        f"{work}/libs/0/1.so", f"{work}/libs/1/2.so", f"{work}/libs/0/1.so", "/unknown.so",
    ]  # fmt: skip
    assert runs[0].executable.build_dir == f"{work}/build/0"
    assert all(os.listdir(run.executable.build_dir) == [] for run in runs[:3])


def test_a_run_shows_no_progress_bar() -> None:
    assert list(experiment._no_progress_bar([1, 2], "any", miniters=1)) == [1, 2]


MODULE = """
import os
import resource
import sys


class Probe:
    def __init__(self):
        self.kept, self.changed, self.removed = [1], 0, "goes"

    def look(self, *, error=None, hang=False):
        self.changed += 1
        del self.removed
        self.added = self
        if error is not None:
            raise error
        while hang:
            pass
        return {
            "cwd": os.getcwd(),
            "cpu": resource.getrlimit(resource.RLIMIT_CPU),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "stdin": sys.stdin.read(),
        }

    def leave(self):
        os._exit(3)

    def keep(self, *, kind):
        self.added = open(os.devnull) if kind == "file" else [1]
        if kind == "fails":
            self.added = open(os.devnull)
            raise ValueError("the student's own")
        return self.added if kind == "both" else open(os.devnull)


class Inner:
    def invoke(self, obj, method, *args, **kwargs):
        return ["inner", sorted(getattr(obj, method)(*args, **kwargs))]
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An object of the student's own module, whose source is in the work directory."""
    for folder in (FILES, RESULTS, MODULES):
        (tmp_path / folder).mkdir()
    (tmp_path / MODULES / "students_probe.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / MODULES))
    import students_probe  # type: ignore[import-not-found]

    yield students_probe.Probe()
    del sys.modules["students_probe"]


def carry_out(
    work: Path, obj: Any, method: str, cpu_seconds: float | None = None, **kwargs: Any
) -> tuple[int, list[Any]]:
    """Start the experiment's process as the guest does; its exit status and its records."""
    inner = sys.modules["students_probe"].Inner() if kwargs.pop("inner", False) else None
    call = {"obj": obj, "method": method, "args": (), "kwargs": kwargs, "subdelegate": inner}
    (work / "call.pickle").write_bytes(pickle.dumps(call))
    results = work / RESULTS / "0"
    plan: dict[str, Any] = {
        "kind": "call",
        "entry": {"call": "call.pickle", "full": False},
        "work": str(work),
        "cpu_seconds": cpu_seconds,
        "results": str(results),
        "invocations": [],
    }
    (work / "plan.json").write_text(json.dumps(plan))
    path = processes._import_path(lean=True)
    done = subprocess.run(
        [sys.executable, "-I", "-c", processes._EXPERIMENT, str(work / "plan.json"), *path],
        timeout=60, stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, recorded(io.BytesIO(results.read_bytes()), "the caller's own")


def test_a_call_ends_with_the_changes_it_made_and_its_value(probe: Any, tmp_path: Path) -> None:
    status, records = carry_out(tmp_path, probe, "look", cpu_seconds=4.2)
    assert status == 0
    ((kind, changed, removed, value),) = records
    assert kind == "returned"
    assert (changed, removed) == ({"changed": 1, "added": "the caller's own"}, ["removed"])
    assert value["cwd"] == str(tmp_path / FILES)
    assert value["cpu"] == (5, 6)
    assert value["core"] == (1, 1)
    assert value["stdin"] == ""
    assert (tmp_path / RESULTS / f"0.{DONE}").exists()


def test_a_subdelegate_makes_the_call(probe: Any, tmp_path: Path) -> None:
    _, (returned,) = carry_out(tmp_path, probe, "look", inner=True)
    assert returned[-1] == ["inner", ["core", "cpu", "cwd", "stdin"]]


def test_an_exception_is_a_result_and_no_failure(probe: Any, tmp_path: Path) -> None:
    status, (state, error) = carry_out(tmp_path, probe, "look", error=KeyError("words"))
    assert status == 0
    assert state[1]["changed"] == 1
    assert error[:3] == ("raised", "builtins.KeyError", "'words'")
    assert error[4] == ("builtins", "KeyError", ("words",), {})
    assert (tmp_path / RESULTS / f"0.{DONE}").exists()


def test_the_students_own_exception_is_told_whatever_the_object_holds(
    probe: Any, tmp_path: Path
) -> None:
    status, records = carry_out(tmp_path, probe, "keep", kind="fails")
    assert status == 0
    assert [record[:3] for record in records] == [
        ("raised", "builtins.ValueError", "the student's own")
    ]


def test_what_is_returned_and_kept_is_one_object(probe: Any, tmp_path: Path) -> None:
    _, ((_, changed, _, value),) = carry_out(tmp_path, probe, "keep", kind="both")
    assert value == [1] and value is changed["added"]


@pytest.mark.parametrize("kind", ["file", "value"])
def test_a_value_or_a_state_that_cannot_travel_is_told_of(
    probe: Any, tmp_path: Path, kind: str
) -> None:
    status, (*others, error) = carry_out(tmp_path, probe, "keep", kind=kind)
    assert status == 0
    assert error[:2] == ("raised", "builtins.TypeError") and "cannot pickle" in error[2]
    assert others == ([("state", {"added": [1]}, [])] if kind == "value" else [])


def test_a_process_that_leaves_has_not_come_to_its_end(probe: Any, tmp_path: Path) -> None:
    assert carry_out(tmp_path, probe, "leave") == (3, [])
    assert not (tmp_path / RESULTS / f"0.{DONE}").exists()


def test_too_much_cpu_time_ends_it_by_a_signal_of_its_own(probe: Any, tmp_path: Path) -> None:
    assert carry_out(tmp_path, probe, "look", cpu_seconds=0.1, hang=True) == (
        -signal.SIGXCPU, [],
    )  # fmt: skip


def test_results_are_never_written_over_others(probe: Any, tmp_path: Path) -> None:
    (tmp_path / RESULTS / "0").write_bytes(pickle.dumps("another's"))
    assert carry_out(tmp_path, probe, "look") == (1, ["another's"])


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("double f(int n) {", ctypes.c_double),
        ("long double f(int n) {", ctypes.c_longdouble),
        ("uint64_t f(int n) {", ctypes.c_uint64),
        ("char f(int n) {", ctypes.c_byte),
        ("int *f(int n) {", ctypes.c_void_p),
        ("char *f(int n) {", ctypes.c_void_p),
        ("void f(int n) {", None),
    ],
)
def test_a_functions_result_is_of_its_declared_type(head: str, kind: type | None) -> None:
    declared = CProtoParser().parse_prototype(head).return_type
    assert result_type(declared) is kind
    assert result_type(None) is None


def test_limits_of_whoever_started_it_are_kept() -> None:
    program = (
        "import resource; from cfiddle_slurm.sandbox.guest.experiment import _limit; "
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); _limit(resource.RLIMIT_CORE, 1, 1); "
        "_limit(resource.RLIMIT_CPU, 7, 8); _limit(resource.RLIMIT_CPU, 9, 10); "
        "print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_CPU))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout == "(0, 0) (8, 8)\n"

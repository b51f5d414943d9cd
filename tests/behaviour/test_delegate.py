"""The delegate, alone and in a chain as delegate_function builds it."""

import enum
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cfiddle
import pytest

from cfiddle_slurm import SlurmSandboxDelegate, cfiddle_hook, errors

SELF_CONTAINED = """
import importlib
import io
import tarfile
from pathlib import Path

names = vars(importlib.import_module("cfiddle.Runner"))


class SelfContained(names.get("SubprocessExecutionMethod") or names["SubprocessDelegate"]):
    def __init__(self, delegator):
        self._delegator = delegator

    def execute(self, command, runner):
        self._command, self._runner = command, runner
        libraries = {i.executable.lib for i in runner.get_invocations()}
        self._inputs = self._pack([command[command.index("--runner") + 1], *libraries])
        self._delegator.invoke(self, "_do_execution")
        self._unpack(self._outputs)

    def _do_execution(self):
        self._unpack(self._inputs)
        super().execute(self._command, self._runner)
        self._outputs = self._pack([self._command[self._command.index("--results") + 1]])

    def _pack(self, files):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for file in files:
                tar.add(file)
        return packed

    def _unpack(self, packed):
        packed.seek(0)
        with tarfile.open(fileobj=packed) as tar:
            tar.extractall(".", filter="data")
"""

MODULE = '''
import os


class Trouble(Exception):
    pass


class Counter:
    def __init__(self):
        self.count = 0
        self.place = None
        self.temporary = "goes away"

    def add(self, number, *, times=1):
        self.count += number * times
        self.place = os.getcwd()
        self.words = {"a": [1, 2.5, None], "b": (True, b"bytes")}
        del self.temporary
        return self.count * 2

    def fail(self, kind):
        self.count = -1
        raise {"key": KeyError, "trouble": Trouble}[kind]("with words")

    def identify(self):
        return os.getpid(), os.getuid()


class Noting:
    """A delegate that makes the call itself and notes it."""

    def invoke(self, obj, method, *args, **kwargs):
        obj.noted = method
        return getattr(obj, method)(*args, **kwargs)


class Outer:
    """A delegate as delegate_function has them: it calls the next one."""

    def __init__(self, subdelegate=None, interactive=False):
        self.subdelegate = subdelegate

    def set_subdelegate(self, subdelegate):
        self.subdelegate = subdelegate

    def invoke(self, obj, method, *args, **kwargs):
        return self.subdelegate.invoke(obj, method, *args, **kwargs)


def chain(*types, **options):
    """The first type is the outermost, each gets the next as its subdelegate."""
    found = None
    for kind in reversed(types):
        found = kind(subdelegate=found, **options) if kind is not Noting else Noting()
    return found
'''


@pytest.fixture
def module(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (workplace / "students_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(workplace))
    yield importlib.import_module("students_own")
    del sys.modules["students_own"]


@pytest.fixture
def delegate(scheduler: str, jobs: Path, workplace: Path) -> Callable[..., SlurmSandboxDelegate]:
    def make(subdelegate: Any = None, **options: Any) -> SlurmSandboxDelegate:
        return SlurmSandboxDelegate(
            subdelegate=subdelegate,
            **{"scheduler": scheduler, "jobs_directory": jobs, "time_limit": 60, **options},
        )

    return make


def test_the_value_and_the_attributes_come_back(
    module: Any, delegate: Any, workplace: Path
) -> None:
    counter = module.Counter()
    alias = counter.__dict__
    assert delegate().invoke(counter, "add", 3, times=2) == 12
    assert counter.count == 6
    assert counter.place != str(workplace)
    assert counter.words == {"a": [1, 2.5, None], "b": (True, b"bytes")}
    assert not hasattr(counter, "temporary")
    assert counter.__dict__ is alias


def test_an_exception_comes_back_with_its_type(module: Any, delegate: Any) -> None:
    counter = module.Counter()
    with pytest.raises(KeyError, match="with words"):
        delegate().invoke(counter, "fail", "key")
    assert counter.count == -1
    with pytest.raises(module.Trouble, match="with words"):
        delegate().invoke(counter, "fail", "trouble")


def test_it_stands_anywhere_in_a_chain(module: Any, delegate: Any) -> None:
    counter = module.Counter()
    found = module.chain(module.Outer, delegate, module.Noting, interactive=True)
    assert found.invoke(counter, "add", 1) == 2
    assert counter.noted == "add"


def test_the_subdelegate_can_be_set_later(module: Any, delegate: Any) -> None:
    counter = module.Counter()
    found = delegate()
    found.set_subdelegate(module.Noting())
    found.invoke(counter, "add", 1)
    assert counter.noted == "add"
    found.set_subdelegate(None)
    counter = module.Counter()
    found.invoke(counter, "add", 1)
    assert not hasattr(counter, "noted")


def test_it_runs_in_a_process_of_its_own(module: Any, delegate: Any, scheduler: str) -> None:
    import os

    pid, uid = delegate().invoke(module.Counter(), "identify")
    assert uid == (7000 if scheduler == "slurm" else os.getuid())
    assert pid != os.getpid()


def test_classes_and_functions_of_the_notebook_itself_travel(
    delegate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trouble(Exception):
        pass

    class Colour(enum.Enum):
        RED = 1

    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    class Here:
        def __init__(self) -> None:
            self.double: Any = lambda n: 2 * n

        def method(self, give: Any, colour: Any) -> Any:
            self.point = Point(give(self.double(4)))
            return [self.point, colour, Point, Colour.RED]

        def fail(self) -> None:
            raise Trouble("with words")

    for one in (Trouble, Point, Here):
        one.__module__, one.__qualname__ = "__main__", one.__name__
        monkeypatch.setattr(sys.modules["__main__"], one.__name__, one, raising=False)
    here = Here()
    double = here.double
    point, colour, kind, other = delegate().invoke(here, "method", lambda n: n + 1, Colour.RED)
    assert type(point) is Point and point.x == 9
    assert here.point is point and here.double is double
    assert colour is Colour.RED and other is Colour.RED and kind is Point
    with pytest.raises(Trouble, match="with words") as caught:
        delegate().invoke(here, "fail")
    told = caught.value.__cause__
    assert isinstance(told, errors.RemoteError) and "in fail" in str(told.remote_traceback)
    assert told.report is not None and told.run_id is not None


def test_modules_travel_however_deep_and_their_objects_come_back(
    delegate: Any, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "students_outer.py": """
import students_inner


class Outer:
    def make(self):
        import students_late

        return students_inner.Point(students_late.X), students_inner.Colour.GREEN
""",
        "students_inner.py": """
import enum


class Colour(enum.Flag):
    RED = 1
    GREEN = 2


class Point:
    def __init__(self, x):
        self.x = x
""",
        "students_late.py": "X = 7",
    }
    for name, text in sources.items():
        (workplace / name).write_text(text)
    monkeypatch.syspath_prepend(str(workplace))
    outer = importlib.import_module("students_outer").Outer()
    inner = sys.modules["students_inner"]
    point, colour = delegate().invoke(outer, "make")
    assert type(point) is inner.Point and point.x == 7
    assert colour is inner.Colour.GREEN
    for name in ("students_outer", "students_inner"):
        del sys.modules[name]


def test_a_package_that_the_sandbox_lacks_is_named(
    delegate: Any, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = workplace / "site-packages"
    installed.mkdir()
    (installed / "nowhere_else.py").write_text("class A:\n    def f(self): pass\n")
    monkeypatch.syspath_prepend(str(installed))
    thing = importlib.import_module("nowhere_else").A()
    with pytest.raises(errors.InputError, match="package 'nowhere_else', which the sandbox"):
        delegate().invoke(thing, "f")
    del sys.modules["nowhere_else"]


def test_a_method_that_is_not_there_is_refused(module: Any, delegate: Any) -> None:
    with pytest.raises(errors.InputError, match="vanish"):
        delegate().invoke(module.Counter(), "vanish")


def test_files_travel_with_a_call(module: Any, delegate: Any, workplace: Path) -> None:
    (workplace / "students_files.py").write_text(
        "class Copy:\n"
        "    def run(self):\n"
        "        text = open('in.txt').read()\n"
        "        open('out.txt', 'w').write(text.upper())\n"
    )
    (workplace / "in.txt").write_text("words")
    copy = importlib.import_module("students_files").Copy()
    delegate(input_files=["in.txt"], output_files=["out.txt"]).invoke(copy, "run")
    assert (workplace / "out.txt").read_text() == "WORDS"


def test_cfiddles_self_contained_execution_can_use_it(
    compiled: Any, delegate: Any, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer CFiddle packs a run by itself and has a delegate carry out one of its methods."""
    (workplace / "students_execution.py").write_text(SELF_CONTAINED)
    monkeypatch.syspath_prepend(str(workplace))
    method = importlib.import_module("students_execution").SelfContained
    square = compiled('extern "C" int square(int n) { return n * n; }')
    hook = functools.partial(method, delegate())
    with cfiddle.cfiddle_config(**{cfiddle_hook.hook(): hook}):
        results = cfiddle.run(square, "square", cfiddle.arg_map(n=[3, 4]))
    assert [result.return_value for result in results] == [9, 16]
    del sys.modules["students_execution"]

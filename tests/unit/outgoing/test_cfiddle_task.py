"""What of a CFiddle runner goes to the sandbox."""

import copy
import importlib
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from cfiddle.Builder import Executable
from cfiddle.config import cfiddle_config
from cfiddle.Invoker import Invoker
from cfiddle.Runner import Runner, RunnerException, RunOptionInterpreter
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import process
from cfiddle_slurm.backend import BackendFactory
from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.cfiddle_task import cfiddle_task, groups
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.settings import Settings
from tests.unit.experiments import executable, invocation, library

HOOKS = ("RunnerDelegate_type", "RunnerExecutionMethod_type")


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("library") / "build")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(task: Task, path: str) -> bytes:
    """A member's bytes, as the sandbox gets them."""
    source = {member.path: member.source for member in task.members}[path]
    return source if isinstance(source, bytes) else source.read_bytes()


def loaded(task: Task) -> tuple[Any, list[str]]:
    """What the sandbox loads, and the names of all that it has to import for it."""
    names: list[str] = []

    class Noting(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            names.append(f"{module}.{name}")
            return super().find_class(module, name)

    return Noting(io.BytesIO(content(task, str(task.entry["runner"])))).load(), names


def in_a_notebook() -> dict[str, Any]:
    """CFiddle's configuration under Jupyter."""
    tqdm: Any = importlib.import_module("tqdm.notebook").tqdm
    jupyter: Any = importlib.import_module("cfiddle.jupyter.source")
    return {"ProgressBar": tqdm, "Executable_type": jupyter.InstrumentedExecutable}


@pytest.mark.parametrize("where", ["script", "notebook"])
@pytest.mark.parametrize("hook", HOOKS)
def test_the_pickle_names_nothing_that_only_the_notebook_has(
    lib: Path, where: str, hook: str
) -> None:
    config = {} if where == "script" else in_a_notebook()
    ours = BackendFactory(Settings())
    kind = config.get("Executable_type", Executable)
    with cfiddle_config(**{**config, "RunnerDelegate_type": ours, hook: ours}):
        runner = Runner([invocation(lib, kind=kind)])
        runner._made_by_it = ours()  # a runner may keep what the hook gave it, under any name
        task = cfiddle_task(runner, Settings())
    _, names = loaded(task)
    assert "cfiddle.Runner.Runner" in names
    packages = {name.partition(".")[0] for name in names}
    assert packages <= {"cfiddle", "builtins", "_ctypes", "ctypes", "collections"}
    assert not [name for name in names if "jupyter" in name]
    assert task.entry["full"] is False


def test_the_traveller_is_whole(lib: Path) -> None:
    runner = Runner([invocation(lib, 3), invocation(lib, 4)])
    contents, _ = loaded(cfiddle_task(runner, Settings()))
    traveller = contents["runner"]
    assert [one.arguments for one in traveller._invocations] == [{"n": 3}, {"n": 4}]
    assert [one.executable.lib for one in traveller._invocations] == [str(lib)] * 2
    assert traveller._invoker is Invoker
    assert list(traveller._progress_bar([1, 2], miniters=1)) == [1, 2]
    assert contents["config"]["Invoker_type"] is Invoker
    assert not set(HOOKS) & set(contents["config"])


def test_the_callers_runner_stays_as_it_is(lib: Path) -> None:
    with cfiddle_config(RunnerDelegate_type=BackendFactory(Settings()), **in_a_notebook()):
        runner = Runner([invocation(lib, kind=in_a_notebook()["Executable_type"])])
        before = dict(vars(runner))
        inside = [copy.copy(vars(one)) for one in runner.get_invocations()]
        cfiddle_task(runner, Settings())
    assert vars(runner) == before
    assert [vars(one) for one in runner.get_invocations()] == inside


def test_a_library_travels_once_however_many_copies_its_executable_has(
    lib: Path, workplace: Path
) -> None:
    other = library(workplace / "other")
    runner = Runner([invocation(lib), invocation(other), invocation(lib)])
    task = cfiddle_task(runner, Settings())
    assert task.entry["libraries"] == {
        str(lib): {"library": "libs/0/twice.so", "build_dir": "build/0"},
        str(other): {"library": "libs/1/twice.so", "build_dir": "build/1"},
    }
    assert [member.path for member in task.members if member.path.startswith("libs/")] == [
        "libs/0/twice.so", "libs/1/twice.so",
    ]  # fmt: skip
    assert content(task, "libs/1/twice.so") == other.read_bytes()
    assert [one.executable.lib for one in task.invocations] == [str(lib), str(other), str(lib)]


OPTIONS = [{"A": "1"}, {"A": "2", "B": "x"}, {}]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([{}, {}], [[0, 1]]),
        ([{"A": 1}, {"A": "1"}], [[0, 1]]),
        ([{"A": 1, "B": 2}, {"B": 2, "A": 1}], [[0, 1]]),
        ([{"A": 1}, {}, {"A": 2}, {"A": 1}], [[0, 3], [1], [2]]),
    ],
)
def test_equal_run_options_share_a_process(
    options: list[dict[str, object]], numbers: list[list[int]]
) -> None:
    runs = [SimpleNamespace(run_options=one) for one in options]
    found = groups(runs, RunOptionInterpreter)
    assert [group["invocations"] for group in found] == numbers
    for group in found:
        for number in group["invocations"]:
            assert group["environment"] == {k: str(v) for k, v in options[number].items()}


@given(st.lists(st.sampled_from(OPTIONS)))
def test_every_invocation_is_in_one_group_and_in_order(options: list[dict[str, str]]) -> None:
    runs = [SimpleNamespace(run_options=one) for one in options]
    found = [group["invocations"] for group in groups(runs, RunOptionInterpreter)]
    assert sorted(number for numbers in found for number in numbers) == list(range(len(options)))
    assert all(numbers == sorted(numbers) for numbers in found)
    assert [numbers[0] for numbers in found] == sorted(numbers[0] for numbers in found)


def test_options_with_a_meaning_of_the_users_own_stay_in_one_process() -> None:
    class OwnInterpreter(RunOptionInterpreter):  # type: ignore[misc]
        pass

    runs = [SimpleNamespace(run_options=one) for one in OPTIONS]
    assert groups(runs, OwnInterpreter) == [{"environment": {}, "invocations": [0, 1, 2]}]


@pytest.mark.parametrize(
    ("number", "plain"), [(numpy.int64(3), 3), (numpy.uint8(7), 7), (numpy.int32(-1), -1)]
)
def test_numpy_numbers_arrive_as_plain_ones(lib: Path, number: Any, plain: int) -> None:
    runner = Runner([invocation(lib, number)])
    contents, names = loaded(cfiddle_task(runner, Settings()))
    (argument,) = contents["runner"]._invocations[0].arguments.values()
    assert (argument, type(argument)) == (plain, int)
    assert not [name for name in names if name.startswith("numpy")]
    assert runner.get_invocations()[0].arguments["n"] is number


@pytest.fixture
def module(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """``module(text)`` is a module of the student's own, beside the notebook."""
    monkeypatch.syspath_prepend(str(workplace))

    def make(text: str) -> Any:
        (workplace / "students_own.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("students_own")

    yield make
    sys.modules.pop("students_own", None)


OWN = """
from cfiddle.Invoker import Invoker
from cfiddle.Runner import InvocationResult, Runner

class OwnInvoker(Invoker):
    pass

class OwnResult(InvocationResult):
    pass

class OwnRunner(Runner):
    def _delegated_run(self):
        return 5

class Named(Runner):
    pass
"""


def test_only_what_cfiddle_itself_makes_comes_home_as_lines(lib: Path, module: Any) -> None:
    own = module(OWN)

    def lines(kind: Any = Runner, **config: Any) -> Any:
        with cfiddle_config(**config):
            return cfiddle_task(kind([invocation(lib)]), Settings()).entry["lines"]

    assert lines() is True
    assert lines(own.Named) is True
    assert lines(own.OwnRunner) is False
    assert lines(Invoker_type=own.OwnInvoker) is False
    assert lines(InvocationResult_type=own.OwnResult) is False


def test_classes_of_the_users_own_travel_with_their_source(lib: Path, module: Any) -> None:
    own = module("from cfiddle.Invoker import Invoker\nclass Own(Invoker):\n    pass\n")
    with cfiddle_config(Invoker_type=own.Own):
        task = cfiddle_task(Runner([invocation(lib)]), Settings())
    assert task.entry["full"] is True
    assert ("students_own", "Own") in task.extra
    assert b"class Own" in content(task, "modules/students_own.py")


def test_an_executable_of_the_users_own_class_keeps_it(lib: Path, module: Any) -> None:
    own = module("from cfiddle.Builder import Executable\nclass Own(Executable):\n    pass\n")
    runner = Runner([invocation(lib, kind=own.Own)])
    contents, _ = loaded(cfiddle_task(runner, Settings()))
    assert type(contents["runner"]._invocations[0].executable) is own.Own


def test_what_needs_a_library_that_the_sandbox_has_not_does_not_travel(
    lib: Path, tmp_path: Path
) -> None:
    settings = Settings(scheduler="slurm", sandbox_libraries=("libown.so",))
    lib = tmp_path / "made.so"
    gcc = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(lib)]
    source = b"int puts(const char *); int twice(int n) { return puts(0); }"
    process.check(gcc, timeout=60, input=source)
    with pytest.raises(InputError, match=r"needs libc\.so\.6, which the sandbox does not have"):
        cfiddle_task(Runner([invocation(lib)]), settings)


def test_a_class_of_the_notebook_itself_travels_by_value(
    lib: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnInvoker(Invoker):  # type: ignore[misc]
        pass

    OwnInvoker.__module__, OwnInvoker.__qualname__ = "__main__", "OwnInvoker"
    monkeypatch.setattr(sys.modules["__main__"], "OwnInvoker", OwnInvoker, raising=False)
    with cfiddle_config(Invoker_type=OwnInvoker):
        task = cfiddle_task(Runner([invocation(lib)]), Settings())
    assert OwnInvoker in task.by_value
    assert task.entry["full"] and not task.entry["lines"]
    assert [member.path for member in task.members if member.path.startswith("modules/")] == []


def test_files_are_those_of_the_settings_and_of_the_newer_cfiddles_run(
    lib: Path, workplace: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        (workplace / name).write_text(name)
    asked = [invocation(lib), invocation(lib)]
    for one in asked:
        one.extra_input_files, one.extra_output_files = ["b.txt", "a.*"], ["out/*.csv"]
    settings = Settings(input_files=("a.txt",), output_files=("log.txt",))
    task = cfiddle_task(Runner(asked), settings)
    files = [member.path for member in task.members if member.path.startswith("files/")]
    assert files == ["files/a.txt", "files/b.txt"]
    assert content(task, "files/b.txt") == b"b.txt"
    assert task.outputs == ("log.txt", "out/*.csv")


@pytest.mark.parametrize("options", [{"A=B": 1}, {"": 1}, {"A": "x\0y"}, {"A\0": 1}])
def test_a_run_option_that_is_no_variable_is_refused(lib: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be a variable"):
        cfiddle_task(Runner([invocation(lib, options=options)]), Settings())


def test_an_invocation_that_stands_twice_has_two_places(lib: Path) -> None:
    one = invocation(lib)
    task = cfiddle_task(Runner([one, one]), Settings())
    assert len({id(each) for each in task.invocations}) == 2
    assert task.entry["groups"] == [{"environment": {}, "invocations": [0, 1]}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_files": ("none-*",)}, "No input file matches 'none-"),
        ({"input_files": ("../x",)}, "input_files holds '../x'"),
        ({"output_files": ("/etc/*",)}, "output_files holds '/etc/"),
    ],
)
def test_files_that_cannot_travel_are_named(lib: Path, options: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        cfiddle_task(Runner([invocation(lib)]), Settings(**options))


def test_what_cannot_succeed_is_refused_in_cfiddles_words(lib: Path) -> None:
    one = invocation(lib)
    one.function = "thrice"
    with pytest.raises(RunnerException, match=r"There is no function 'thrice'.*it has: twice"):
        cfiddle_task(Runner([one]), Settings())
    gone = executable(lib)
    gone.lib = "gone.so"
    one.function, one.executable = "twice", gone
    with pytest.raises(InputError, match=r"'gone\.so' is missing"):
        cfiddle_task(Runner([one]), Settings())


@pytest.mark.parametrize(
    "options",
    [{"A": "x" * (128 << 10)}, {f"A{number}": "x" * 100_000 for number in range(11)}],
    ids=["one", "all"],
)
def test_run_options_that_no_process_can_have_are_refused_at_once(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="bytes as variables"):
        groups([SimpleNamespace(run_options=options)], RunOptionInterpreter)

"""Chains of delegate_function with ours among them, written in Python and in YAML."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cfiddle
import pytest

from cfiddle_slurm import errors
from cfiddle_slurm.cfiddle_hook import hook
from tests.upstream.packages import REAL, delegate_package, execution_method

OURS = "SlurmSandboxDelegate"
CHAINS = [
    [OURS],
    ["TrivialDelegate", OURS],
    [OURS, "TrivialDelegate"],
    ["TrivialDelegate", OURS, "TrivialDelegate"],
    ["SubprocessDelegate", OURS],
    [OURS, "SubprocessDelegate"],
    ["TrivialDelegate", "SubprocessDelegate", OURS, "TrivialDelegate"],
]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """delegate_function, with our delegate known to it."""
    yield from delegate_package(monkeypatch)


@pytest.fixture
def options(scheduler: str, jobs: Path, workplace: Path) -> dict[str, Any]:
    return {"scheduler": scheduler, "jobs_directory": str(jobs), "time_limit": 60}


def of_kinds(package: Any, options: dict[str, Any]) -> Callable[[str], Any]:
    def factory(name: str) -> Any:
        kind = getattr(package, name)
        return lambda **more: kind(**(options if name == OURS else {}), **more)

    return factory


@pytest.mark.parametrize("names", CHAINS, ids="-".join)
def test_it_stands_anywhere(package: Any, options: Any, names: list[str]) -> None:
    chain = package.DelegateChain(*map(of_kinds(package, options), names))()
    thing = package.TestClass()
    assert chain.invoke(thing, "hello") != os.getpid()
    chain.invoke(thing, "set_value", v={"a": [4]})
    assert thing._value == {"a": [4]}


def test_options_for_all_of_a_chain(package: Any, options: Any) -> None:
    kinds = map(of_kinds(package, options), ["TrivialDelegate", OURS, "TrivialDelegate"])
    chain = package.DelegateChain(*kinds, interactive=True)()
    assert chain._subdelegate._interactive
    assert isinstance(chain.invoke(package.TestClass(), "hello"), int)


def test_a_command_runs_there(package: Any, options: Any, workplace: Path) -> None:
    ours = package.SlurmSandboxDelegate(**options, output_files=["said"])
    command = package.ShellCommandClass(["sh", "-c", "echo $WORD >said"], env={"WORD": "here"})
    ours.invoke(command, "run")
    assert Path("said").read_text() == "here\n"


def test_after_a_directory_that_goes_away(package: Any, options: Any, workplace: Path) -> None:
    chain = package.DelegateChain(
        *map(of_kinds(package, options), ["TemporaryDirectoryDelegate", OURS])
    )()
    thing = package.TestClass()
    chain.invoke(thing, "set_value", 4)
    assert thing._value == 4
    assert Path.cwd() == workplace


def spec(names: list[str], options: dict[str, Any]) -> str:
    sequence = [{"type": name, **(options if name == OURS else {})} for name in names]
    return json.dumps({"version": 0.1, "sequence": sequence})


@pytest.mark.parametrize("names", CHAINS, ids="-".join)
def test_a_chain_in_yaml(package: Any, options: Any, names: list[str]) -> None:
    thing = package.TestClass()
    package.DelegateGenerator(yaml=spec(names, options)).invoke(thing, "set_value", 4)
    assert thing._value == 4


def test_variables_in_yaml(
    package: Any, options: Any, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    monkeypatch.setenv("OUR_SCHEDULER", options["scheduler"])
    monkeypatch.setenv("OUR_LIMIT", "1:00")
    text = spec([OURS], options | {"scheduler": "$OUR_SCHEDULER", "time_limit": "$OUR_LIMIT"})
    chain = package.DelegateGenerator(yaml=text)
    found = chain._delegates[0]().settings
    assert (found.scheduler, found.time_limit) == (options["scheduler"], 60)
    thing = package.TestClass()
    chain.invoke(thing, "set_value", 4)
    assert thing._value == 4


def test_configure_makes_ours_known(package: Any, configured: Any) -> None:
    del package.SlurmSandboxDelegate
    del sys.modules["cfiddle_slurm.delegate"]  # the fixture puts back what was there before
    configured()
    assert issubclass(package.SlurmSandboxDelegate, package.BaseDelegate)


def test_a_wrong_key_in_yaml_is_named(package: Any, options: Any) -> None:
    with pytest.raises(errors.SettingsError, match="no setting 'docker_image'"):
        package.DelegateGenerator(yaml=spec([OURS], options | {"docker_image": "x"}))


@pytest.mark.parametrize("late", [False, True])
def test_a_chain_in_a_file(
    package: Any, options: Any, late: bool, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    Path("chain.yml").write_text(spec([OURS], options))
    thing = package.TestClass()
    if late:
        monkeypatch.setenv("DELEGATE_FUNCTION_CONFIG", "chain.yml")
        package.LateBoundYAMLDelegate().invoke(thing, "set_value", 4)
    else:
        package.YAMLDelegate("chain.yml").invoke(thing, "set_value", 4)
    assert thing._value == 4


# How a crash is told: by ours where it is the last; by CFiddle's own process in the sandbox, where
# that is started there; and a process of delegate_function's gives no reason.
HOOKED: list[tuple[list[str], type[Exception] | None]] = [
    ([OURS], errors.Crashed),
    (["TrivialDelegate", OURS], errors.Crashed),
    (["TemporaryDirectoryDelegate", OURS], errors.Crashed),
]
# Nothing can take the stand-in for CFiddle's own to another process, in the sandbox or here.
ELSEWHERE = [
    ([OURS, "TrivialDelegate"], errors.ExperimentFailed.__mro__[2]),
    ([OURS, "SubprocessDelegate"], None),
    (["TemporaryDirectoryDelegate", "SubprocessDelegate", OURS], None),
    (["SubprocessDelegate", OURS], None),
    (["SubprocessDelegate", OURS, "TrivialDelegate"], None),
]


@pytest.mark.parametrize(
    ("names", "crashed"), [*HOOKED, *(ELSEWHERE if REAL else [])], ids=lambda one: str(one)
)
def test_cfiddles_newer_hook(
    package: Any,
    options: Any,
    names: list[str],
    crashed: type[Exception] | None,
    compiled: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = execution_method(spec(names, options), monkeypatch)
    square = compiled('extern "C" int square(int n) { return n * n; }')
    crash = compiled('extern "C" int crash() {\n    return *(volatile int *)8;\n}')
    with cfiddle.cfiddle_config(**{hook(): method}):
        results = cfiddle.run(square, "square", cfiddle.arg_map(n=[3, 4]))
        with pytest.raises(crashed or package.DelegateFunctionException):
            cfiddle.run(crash, "crash")
    assert [result.return_value for result in results] == [9, 16]
    assert "cfiddle_slurm" in sys.modules


@pytest.fixture(autouse=True)
def nothing_imported_twice() -> Iterator[None]:
    """Each test loads the package, and what derives from its classes, for itself."""
    yield
    importlib.invalidate_caches()

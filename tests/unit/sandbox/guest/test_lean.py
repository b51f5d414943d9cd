"""CFiddle without what its import costs; each entry is made in a process of its own."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.sandbox.guest import lean

HEAVY = {"pandas", "networkx", "IPython", "pytest", "matplotlib", "numpy", "pkg_resources"}


def entered(program: str, *, full: bool = False, site: bool = False) -> Any:
    """What a program prints as JSON that starts like the experiment's process."""
    path = [entry for entry in sys.path if entry]
    options = ["-I"] if site else ["-I", "-S"]
    code = (
        f"import sys; sys.path += {path!r}\n"
        "from cfiddle_slurm.sandbox.guest.lean import enter_cfiddle\n"
        f"enter_cfiddle(full={full})\n"
        f"import json\n{program}"
    )
    environment = {**os.environ, "PATH": "/nowhere"}  # no compiler, as in the sandbox
    done = process.run([sys.executable, *options, "-c", code], timeout=60, env=environment)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_needs_a_tenth_of_what_cfiddle_imports() -> None:
    found = entered(
        "import cfiddle.Runner, cfiddle.Invoker, cfiddle.config\n"
        "from cfiddle.Exceptions import CFiddleException\n"
        "real = [n for n, m in sys.modules.items() if getattr(m, '__file__', None)]\n"
        "print(json.dumps([sorted(real), cfiddle.config.peek_config()['DEBUG_MODE']]))"
    )
    real = {name.partition(".")[0] for name in found[0]}
    assert found[1] is False
    assert not real & HEAVY
    assert "cfiddle.Runner" in found[0]
    assert "cfiddle.Builder" in found[0]


def test_all_of_cfiddle_is_there_for_classes_of_the_users_own() -> None:
    found = entered(
        "import cfiddle\nfrom cfiddle import Runner, arg_map\n"
        "print(json.dumps([arg_map(n=[1, 2]), 'build' in dir(cfiddle)]))",
        full=True,
        site=True,
    )
    assert found == [[{"n": 1}, {"n": 2}], True]


@pytest.mark.parametrize("full", [True, False])
def test_without_cfiddle_there_is_nothing_to_enter(full: bool) -> None:
    source = str(Path(lean.__file__).parents[3])
    code = (
        f"import sys; sys.path += [{source!r}]\n"
        f"from cfiddle_slurm.sandbox.guest.lean import enter_cfiddle; enter_cfiddle(full={full})"
    )
    done = process.run([sys.executable, "-I", "-S", "-c", code], timeout=60)
    assert done.stderr.endswith("ModuleNotFoundError: cfiddle is not installed here\n")


def imported(name: str) -> ModuleType:
    """A stand-in module, made as the import system makes it."""
    finder = lean._StandInFinder(lean.STAND_INS)
    spec = finder.find_spec(name, None)
    assert spec is not None
    module: ModuleType = finder.create_module(spec)
    finder.exec_module(module)
    return module


def test_a_stand_in_has_any_name_and_takes_any_call() -> None:
    pandas: Any = imported("pandas")
    assert pandas.DataFrame([1], columns=2).plot.line(x=3) is not None

    def function() -> int:
        return 5

    assert pandas.some.decorator(function) is function


def test_a_stand_in_does_not_pretend_to_be_what_it_is_not() -> None:
    """Python asks objects for names like __array__ or __path__ to find out what they are."""
    pandas: Any = imported("pandas")
    for thing in (pandas, pandas.anything):
        with pytest.raises(AttributeError):
            thing.__array__  # noqa: B018 - that it raises is what is seen


def test_only_the_named_packages_and_what_is_in_them_are_stood_in_for() -> None:
    finder = lean._StandInFinder(lean.STAND_INS)
    for name in ("IPython.display", "dill"):  # the newer CFiddle's pickles, which are not used here
        assert finder.find_spec(name, None) is not None
    for name in ("cfiddle", "json", "pandasx", "my.pandas"):
        assert finder.find_spec(name, None) is None
    assert lean._StandInFinder(frozenset()).find_spec("pandas", None) is None


def test_data_files_are_found_beside_their_package() -> None:
    resources: Any = imported("pkg_resources")
    found = resources.resource_filename("cfiddle_slurm", "py.typed")
    assert Path(found).is_file()


def test_the_machines_name_is_the_one_that_the_compiler_has() -> None:
    said = process.check(["gcc", "-print-multiarch"], timeout=60).strip()
    assert lean.multiarch() == said


def test_a_python_that_does_not_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.implementation, "_multiarch", raising=False)
    assert lean.multiarch() == f"{os.uname().machine}-linux-gnu"

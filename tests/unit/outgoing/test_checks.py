"""What is known to be wrong with a run before anything is submitted."""

import ctypes
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cfiddle
import pytest
from cfiddle.Exceptions import CFiddleException
from cfiddle.ProtoParser import Parameter, Prototype
from cfiddle.Runner import (
    IncorrectArgumentType,
    MissingArgument,
    RunnerException,
    UnusedArgument,
)

from cfiddle_slurm import process
from cfiddle_slurm.errors import InputError, MeasurementWarning
from cfiddle_slurm.outgoing.checks import check_invocations
from cfiddle_slurm.outgoing.shared_libraries import read

SOURCE = b"""
#include <time.h>
int twice(int n) { return 2 * n; }
static int hidden(int n) { return n; }
int late(int n) { return (int)time(0) + hidden(n); }
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library; nobody changes it."""
    made = tmp_path_factory.mktemp("a library") / "made.so"
    gcc = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(made)]
    process.check(gcc, timeout=60, input=SOURCE)
    return made


def invocation(
    library: Path,
    function: str = "twice",
    *,
    arguments: dict[str, Any] | None = None,
    counters: tuple[str, ...] = (),
) -> Any:
    """What CFiddle makes of one call; every function here has one parameter n."""
    functions = {
        name: Prototype(ctypes.c_int, name, [Parameter(ctypes.c_int, "n")])
        for name in ("twice", "late", "hidden", "time", "missing")
    }
    executable = SimpleNamespace(
        lib=str(library),
        functions=functions,
        build_spec=SimpleNamespace(source_file="made.c"),
    )
    return SimpleNamespace(
        executable=executable,
        function=function,
        arguments={"n": 1} if arguments is None else arguments,
        perf_counters=list(counters),
    )


def check(*invocations: Any) -> list[str]:
    """The warnings of a check that refuses nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_invocations(invocations)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


def test_what_is_right_passes_in_silence(compiled: Path) -> None:
    assert check() == []
    assert check(invocation(compiled), invocation(compiled, "late"), invocation(compiled)) == []


def test_exported_functions_are_those_that_the_library_has_itself(compiled: Path) -> None:
    found = read(compiled, 0).exports
    assert {"twice", "late"} <= found
    assert not {"hidden", "time", ""} & found


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, MissingArgument),
        ({"n": 1, "m": 2}, UnusedArgument),
        ({"n": "1"}, IncorrectArgumentType),
        ({"n": 1.5}, IncorrectArgumentType),
        ({"n": None}, IncorrectArgumentType),
    ],
)
def test_wrong_arguments_are_refused_in_cfiddles_words(
    compiled: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"'[nm]'"):
        check(invocation(compiled), invocation(compiled, arguments=arguments))


def test_a_function_that_was_not_declared_is_refused(compiled: Path) -> None:
    with pytest.raises(RunnerException, match=r"'trice' in made\.c; it has: hidden, late, missing"):
        check(invocation(compiled, "trice"))
    nothing = invocation(compiled, "trice")
    nothing.executable.functions = {}
    with pytest.raises(cfiddle.CFiddleException, match="it has: none"):
        check(nothing)


@pytest.mark.parametrize("function", ["hidden", "missing", "time"])
def test_a_function_that_is_not_exported_is_refused(compiled: Path, function: str) -> None:
    with pytest.raises(RunnerException, match=f"does not export '{function}'"):
        check(invocation(compiled), invocation(compiled, function))


def test_a_library_that_is_gone_or_something_else_is_told(tmp_path: Path) -> None:
    for library in (tmp_path / "none.so", tmp_path):
        with pytest.raises(InputError, match="is missing") as caught:
            check(invocation(library))
        assert "Build it again" in caught.value.hint


@pytest.mark.parametrize("length", [0, 3, 4, 16, 40, 63, 64, 200, 5000])
def test_half_a_library_is_no_library(compiled: Path, tmp_path: Path, length: int) -> None:
    half = tmp_path / "half.so"
    half.write_bytes(compiled.read_bytes()[:length])
    with pytest.raises(InputError, match="is not a shared library"):
        check(invocation(half))


def test_a_program_without_exports_has_no_functions(compiled: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.o"
    gcc = ["gcc", "-c", "-x", "c", "-", "-o", str(plain)]
    process.check(gcc, timeout=60, input=SOURCE)
    assert read(plain, 0).exports == frozenset()


OPENMP = b"""
#include <omp.h>
int twice(int n) { return n * omp_get_num_threads(); }
"""


@pytest.mark.parametrize(
    ("source", "flags", "refused"),
    [
        (OPENMP, [], True),
        (OPENMP, ["-fopenmp"], False),
        (b"int GOMP_x(void); int twice(int n) { return GOMP_x(); }", [], True),
        (b"int omp_mine(void); int twice(int n) { return omp_mine(); }", [], False),
    ],
)
def test_openmp_without_its_library_is_told_with_the_flag(
    tmp_path: Path, source: bytes, flags: list[str], refused: bool
) -> None:
    made, compiled = tmp_path / "made.so", tmp_path / "made.o"
    gcc = ["gcc", "-fPIC"]
    compile_only = [*gcc, "-fopenmp", "-c", "-x", "c", "-", "-o", str(compiled)]
    process.check(compile_only, timeout=60, input=source)
    # As CFiddle's make rules do it: MORE_CXXFLAGS are not among the flags of the linker.
    link = [*gcc, str(compiled), *flags, "-shared", "-o", str(made)]
    process.check(link, timeout=60)
    if not refused:
        assert check(invocation(made)) == []
        return
    with pytest.raises(
        InputError, match=r"of made\.c calls \w+\(\) of OpenMP, but is not"
    ) as caught:
        check(invocation(made))
    assert 'MORE_LDFLAGS="-fopenmp"' in caught.value.hint


def test_a_library_that_was_built_again_is_read_again(compiled: Path, tmp_path: Path) -> None:
    library = tmp_path / "made.so"
    library.write_bytes(b"no library")
    os.utime(library, (1, 1))
    with pytest.raises(InputError):
        check(invocation(library))
    shutil.copyfile(compiled, library)
    os.utime(library, (2, 2))
    assert check(invocation(library)) == []
    library.write_bytes(b"no library again")
    os.utime(library, (3, 3))
    with pytest.raises(InputError):
        check(invocation(library))


CLOCK, TASK, FAULTS = (
    f"PERF_COUNT_SW_{name}" for name in ("CPU_CLOCK", "TASK_CLOCK", "PAGE_FAULTS")
)


def test_clocks_spoil_other_software_events(compiled: Path) -> None:
    (told,) = check(invocation(compiled, counters=(FAULTS, CLOCK)))
    assert told.startswith(f"{CLOCK} counted together") and "list of lists" in told
    (told,) = check(invocation(compiled, counters=(TASK, CLOCK)))
    assert told.startswith(f"{CLOCK}, {TASK} counted together")
    hardware, switches = "PERF_COUNT_HW_INSTRUCTIONS", "PERF_COUNT_SW_CONTEXT_SWITCHES"
    for counters in ((CLOCK,), (CLOCK, hardware), (FAULTS, switches), ()):
        assert check(invocation(compiled, counters=counters)) == []
    assert check(*[invocation(compiled, counters=(each,)) for each in (CLOCK, FAULTS)]) == []


def test_a_doubt_is_a_warning_of_its_own_at_the_users_line(compiled: Path) -> None:
    counters = ("PERF_COUNT_SW_CPU_CLOCK", "PERF_COUNT_SW_PAGE_FAULTS")
    doubtful = invocation(compiled, counters=counters)
    with pytest.warns(MeasurementWarning, match="count too little") as caught:
        check_invocations([doubtful])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", MeasurementWarning)
        # CFiddle hides whatever is none of its own.
        with pytest.raises(CFiddleException, match="count too little"):
            check_invocations([doubtful])

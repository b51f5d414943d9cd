"""What can be known to be wrong with a run before anything is submitted."""

import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cfiddle_slurm.errors import InputError, MeasurementWarning
from cfiddle_slurm.outgoing import shared_libraries
from cfiddle_slurm.outgoing.modules import package_of
from cfiddle_slurm.outgoing.shared_libraries import SharedLibrary

_OURS = ("cfiddle", "cfiddle_slurm")
_OPENMP = re.compile(r"GOMP_|__kmpc_|omp_(?:destroy|get|in|init|pause|set|test|unset)_")
_OPENMP_LIBRARIES = ("libgomp.", "libomp.", "libiomp")
_CLOCKS = frozenset(("PERF_COUNT_SW_CPU_CLOCK", "PERF_COUNT_SW_TASK_CLOCK"))


def check_invocations(invocations: Sequence[Any]) -> None:
    """Refuse what would fail on the worker, in CFiddle's own words and exception types.

    Raises:
        cfiddle.CFiddleException: a function is missing, an argument is missing, unused or wrong.
        InputError: a compiled library is missing.
    """
    seen: set[tuple[str, str]] = set()
    for invocation in invocations:
        _check_arguments(invocation)
        key = (invocation.executable.lib, invocation.function)
        if key not in seen:
            seen.add(key)
            _check_symbols(invocation)
    for text in sorted(set(_doubts(invocations))):
        warnings.warn(text, MeasurementWarning, stacklevel=_users_line())


def _users_line() -> int:
    """The stack level, as ``warnings.warn`` of the caller counts, of whoever called CFiddle."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and package_of(frame.f_globals.get("__name__", "")) in _OURS:
        level, frame = level + 1, frame.f_back
    return level


def _check_arguments(invocation: Any) -> None:
    from cfiddle.Runner import Runner, RunnerException

    functions = invocation.executable.functions
    if invocation.function not in functions:
        known = ", ".join(sorted(functions)) or "none"
        raise RunnerException(
            f"There is no function {invocation.function!r} in "
            f"{invocation.executable.build_spec.source_file}; it has: {known}. "
            'Is it declared extern "C", with its head alone on one line?'
        )
    Runner.bind_arguments(invocation.arguments, functions[invocation.function])


def _check_symbols(invocation: Any) -> None:
    from cfiddle.Runner import RunnerException

    library = Path(invocation.executable.lib)
    if not library.is_file():
        raise InputError(
            f"The compiled library {str(library)!r} is missing.",
            hint="Was it deleted, or the working directory changed? Build it again.",
        )
    # A name that the library does not export may still be found in the C library:
    # a function "time" would run time(2) instead.
    found = shared_libraries.read(library, library.stat().st_mtime_ns)
    source = invocation.executable.build_spec.source_file
    if invocation.function not in found.exports:
        raise RunnerException(
            f"The compiled library of {source} does not "
            f'export {invocation.function!r}. Declare it extern "C", and not static.'
        )
    _check_openmp(source, found)


def _check_openmp(source: object, library: SharedLibrary) -> None:
    """Refuse what was compiled for OpenMP and linked without it: CFiddle has flags for each."""
    called = sorted(filter(_OPENMP.match, library.missing))
    if called and not any(name.startswith(_OPENMP_LIBRARIES) for name in library.needs):
        raise InputError(
            f"The compiled library of {source} calls {called[0]}() of OpenMP, but is not linked "
            "with it.",
            hint='Add MORE_LDFLAGS="-fopenmp" to the build parameters.',
        )


def _doubts(invocations: Iterable[Any]) -> Iterator[str]:
    for invocation in invocations:
        counters = set(invocation.perf_counters)
        software = {name for name in counters if name.startswith("PERF_COUNT_SW_")}
        if software & _CLOCKS and len(software) > 1:
            yield (
                f"{', '.join(sorted(software & _CLOCKS))} counted together with other software "
                "events makes these count too little; give a list of lists to count them apart."
            )

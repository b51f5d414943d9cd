"""Make a CFiddle runner fit for travel: what the sandbox needs of it, and nothing of ours."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.bundle.layout import FILES, MODULES
from cfiddle_slurm.bundle.manifest import is_variable
from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.checks import check_invocations
from cfiddle_slurm.outgoing.inputs import check_patterns, input_members
from cfiddle_slurm.outgoing.modules import user_modules
from cfiddle_slurm.outgoing.pickling import dump
from cfiddle_slurm.outgoing.shared_libraries import check_needs
from cfiddle_slurm.results.allowed import whole_module
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.settings import Settings

_RUNNER = "runner.pickle"
STAYS_HOME = frozenset(
    (
        "Builder_type",
        "CFIDDLE_BUILD_ROOT",
        "ExecutableDescription_type",
        "Executable_type",
        "InvocationDescription_type",
        "InvocationResultsList_type",
        "ProgressBar",
        "ProtoParser_types",
        "RunnerDelegate_type",
        "RunnerExecutionMethod_type",
        "Runner_type",
        "build_parameters_default",
        "perf_counters_default",
        "run_options_default",
    )
)
"""Configuration that building and the caller's side use; it may name Jupyter's classes and ours."""

_LONGEST_VARIABLE = 128 << 10
"""Bytes, with name and end (MAX_ARG_STRLEN: execve(2), "Limits on size of arguments")."""
_LONGEST_ENVIRONMENT = 1 << 20
"""Bytes; the kernel allows about 2 MiB together with the arguments."""


def cfiddle_task(runner: Any, settings: Settings) -> Task:
    """The task of executing a runner's invocations.

    Args:
        runner: a :class:`cfiddle.Runner.Runner`; it is not changed.
        settings: which files travel.

    Raises:
        cfiddle.CFiddleException: an invocation cannot succeed (see :mod:`.checks`).
        InputError: something cannot travel: an open file in an option, a missing input file.
    """
    from cfiddle.config import peek_config

    invocations = _distinct(runner.get_invocations())
    check_invocations(invocations)
    check_needs(invocations, settings)
    config = {key: value for key, value in peek_config().items() if key not in STAYS_HOME}
    pickled = dump({"config": config, "runner": travelling_runner(runner)})
    modules, travelling = user_modules((module for module, _ in pickled.names), MODULES)
    libraries = _libraries(invocations)
    outputs = check_patterns(
        [*settings.output_files, *asked_for(invocations, "extra_output_files")], "output_files"
    )
    inputs = [*settings.input_files, *asked_for(invocations, "extra_input_files")]
    members = (
        Member(_RUNNER, pickled.data),
        *(Member(place["library"], Path(library)) for library, place in libraries.items()),
        *modules,
        *input_members(inputs, FILES),
    )
    entry = {
        "runner": _RUNNER,
        "full": bool(pickled.foreign or pickled.by_value),
        "lines": gives_plain_results(runner),
        "libraries": libraries,
        "groups": groups(invocations, config.get("RunOptionInterpreter_type")),
    }
    sent = pickled.foreign | pickled.valued | set(map(whole_module, travelling))
    return Task("cfiddle", entry, members, outputs, invocations, sent, pickled.by_value)


def gives_plain_results(runner: Any) -> bool:
    """Whether its results are of CFiddle's own making, and so are numbers and texts.

    A Runner, an Invoker or a kind of result of the user's own may return anything.
    """
    from cfiddle.Invoker import Invoker
    from cfiddle.Runner import InvocationResult, Runner

    return (
        type(runner)._delegated_run is Runner._delegated_run
        and runner._invoker is Invoker
        and runner._result_factory is InvocationResult
    )


def asked_for(invocations: Sequence[Any], attribute: str) -> list[str]:
    """Globs that the newer CFiddle's ``run()`` was given; the released one has no such thing."""
    asked = [str(glob) for one in invocations for glob in getattr(one, attribute, None) or ()]
    return list(dict.fromkeys(asked))


def _distinct(invocations: Sequence[Any]) -> list[Any]:
    """The invocations, with copies where one stands more than once: each has its own result."""
    seen: set[int] = set()
    found = []
    for invocation in invocations:
        found.append(copy.copy(invocation) if id(invocation) in seen else invocation)
        seen.add(id(invocation))
    return found


def travelling_runner(runner: Any) -> Any:
    """A copy of a runner that names no class which only the notebook has."""
    from cfiddle.config import noop_progress_bar

    traveller = copy.copy(runner)
    executables: dict[int, Any] = {}
    traveller._invocations = [
        _travelling_invocation(invocation, executables) for invocation in runner.get_invocations()
    ]
    traveller._progress_bar = noop_progress_bar
    traveller._result_list_factory = list
    for name, value in vars(runner).items():
        if getattr(type(value), "__module__", "") == "cfiddle_slurm.backend":
            setattr(traveller, name, None)
    return traveller


def _travelling_invocation(invocation: Any, executables: dict[int, Any]) -> Any:
    traveller = copy.copy(invocation)
    key = id(invocation.executable)
    if key not in executables:
        executables[key] = _travelling_executable(invocation.executable)
    traveller.executable = executables[key]
    return traveller


def _travelling_executable(executable: Any) -> Any:
    """A plain Executable in place of CFiddle's and Jupyter's, which can also plot and print."""
    from cfiddle.Builder import Executable

    if type(executable).__module__.partition(".")[0] != "cfiddle":
        return executable
    traveller = Executable.__new__(Executable)
    traveller.__dict__.update(vars(executable))
    return traveller


def _libraries(invocations: Sequence[Any]) -> dict[str, dict[str, str]]:
    """Where each compiled library goes, by its path here (executables have copies of their own)."""
    places: dict[str, dict[str, str]] = {}
    for invocation in invocations:
        library = invocation.executable.lib
        if library not in places:
            number = len(places)
            name = f"libs/{number}/{Path(library).name}"
            places[library] = {"library": name, "build_dir": f"build/{number}"}
    return places


def _check_environment(options: dict[str, str]) -> None:
    """Refuse what no process can have in its environment."""
    lengths = [len(f"{name}={value}".encode(errors="replace")) for name, value in options.items()]
    if max(lengths, default=0) >= _LONGEST_VARIABLE or sum(lengths) > _LONGEST_ENVIRONMENT:
        raise InputError(
            f"The run options take {sum(lengths)} bytes as variables of the environment: one may "
            f"have {_LONGEST_VARIABLE - 1}, all together {_LONGEST_ENVIRONMENT}.",
            hint="Put long texts into a file, and name it in input_files.",
        )
    for name, value in options.items():
        if not is_variable(name, value):
            raise InputError(
                f"The run option {name!r} cannot be a variable of the environment.",
                hint="Its name must not be empty or hold '=', and nothing may hold a zero byte.",
            )


def groups(invocations: Sequence[Any], interpreter: Any) -> list[dict[str, Any]]:
    """Invocations by their run options: each group gets a process with these in its environment.

    Args:
        invocations: in the order of the run.
        interpreter: the configured RunOptionInterpreter_type; one of the user's own gives options
            a meaning of its own, so there everything stays in one process.

    Returns:
        ``{"environment": {...}, "invocations": [numbers]}`` in the order of first appearance.

    Raises:
        InputError: an option that cannot be a variable.
    """
    from cfiddle.Runner import RunOptionInterpreter

    if interpreter is not RunOptionInterpreter:
        return [{"environment": {}, "invocations": list(range(len(invocations)))}]
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for number, invocation in enumerate(invocations):
        options = {str(name): str(value) for name, value in invocation.run_options.items()}
        _check_environment(options)
        found.setdefault(tuple(sorted(options.items())), []).append(number)
    return [
        {"environment": dict(options), "invocations": numbers} for options, numbers in found.items()
    ]

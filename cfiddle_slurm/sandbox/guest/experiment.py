"""The process in which the experiment runs: a fresh one per run and per set of run options.

The guest (:mod:`cfiddle_slurm.sandbox.guest`) starts it with the environment that the run options
ask for, and judges how it ended. What it measured is written as it goes, one record after another,
so that results finished before a crash are kept.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import resource
import sys
from contextlib import suppress

from cfiddle_slurm.bundle.layout import DONE, FILES, MISSING_PACKAGE, MODULES
from cfiddle_slurm.sandbox.guest.lean import enter_cfiddle
from cfiddle_slurm.sandbox.guest.recording import LineRecorder, Recorder

# Every import costs each run its milliseconds, typing and pathlib most of all.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_UNBUFFERED_BY_LINE = 1  # _IOLBF of stdio.h
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_NO_CORE = 1  # byte: neither a core file nor a program that it is piped to (core(5))


def main(plan_file: str) -> None:
    """Carry out one plan; a CFiddle or Python exception is a result, not a failure."""
    with open(plan_file, "rb") as stream:
        plan = json.load(stream)
    work = plan["work"]
    _prepare_process(plan["cpu_seconds"])
    os.chdir(f"{work}/{FILES}")
    with open(plan["results"], "xb", buffering=0) as stream:
        recorder = LineRecorder(stream) if plan["entry"].get("lines") else Recorder(stream)
        try:
            if plan["kind"] == "cfiddle":
                run_cfiddle(plan, work, recorder)
            else:
                run_call(plan, work, recorder)
        except Exception as error:
            recorder.record(("raised", *describe_exception(error)))
    _flush_stdio()
    with open(f"{plan['results']}.{DONE}", "xb"):
        pass


def _prepare_process(cpu_seconds: float | None) -> None:
    if cpu_seconds is not None:
        soft = max(1, int(cpu_seconds + 0.999))
        # At the soft limit the process gets SIGXCPU, which names the cause; the hard limit ends
        # a process that ignores it (setrlimit(2)).
        _limit(resource.RLIMIT_CPU, soft, soft + 1)
    _limit(resource.RLIMIT_CORE, _NO_CORE, _NO_CORE)
    try:
        # When memory runs out, the kernel should end the experiment, not the guest (proc(5)).
        with open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("1000")
    except OSError:
        pass
    libc = ctypes.CDLL(None)
    # Nothing may outlive the guest, however that ends.
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    # Lines printed before a crash would otherwise be lost in the C library's buffer.
    for name in ("stdout", "stderr"):
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, _UNBUFFERED_BY_LINE, 0)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _limit(what: int, soft: int, hard: int) -> None:
    """Set a limit, or what is left below that of whoever started us: sudo, say, allows no cores."""
    _, most = resource.getrlimit(what)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(what, (soft, hard))


def _flush_stdio() -> None:
    ctypes.CDLL(None).fflush(None)
    sys.stdout.flush()
    sys.stderr.flush()


def describe_exception(error: BaseException) -> tuple[Any, ...]:
    """Type name, text, traceback, and the form of which it can be made again, or None."""
    from cfiddle_slurm.sandbox.guest.raised import describe_exception as describe

    return describe(error)


def run_cfiddle(plan: Mapping[str, Any], work: str, recorder: Recorder) -> None:
    """Execute the invocations of one group of a pickled CFiddle runner."""
    import faulthandler

    entry = plan["entry"]
    enter_cfiddle(full=entry["full"])
    sys.path.insert(0, f"{work}/{MODULES}")
    _shorten_result_names()
    _return_by_prototype()
    contents = _load(f"{work}/{entry['runner']}", recorder)
    if contents is None:
        return
    faulthandler.disable()  # cfiddle.Invoker turns it on; the guest names the signal itself
    runner, numbers = contents["runner"], plan["invocations"]
    chosen = {number: runner._invocations[number] for number in numbers}
    _bring_libraries(chosen.values(), entry["libraries"], work)
    recorder.know({**chosen, **_numbered(contents.get("by_value", ()), len(runner._invocations))})
    runner._invocations = list(chosen.values())
    runner._progress_bar = _no_progress_bar
    # A Runner of the user's own may look at its results.
    keeps = not isinstance(recorder, LineRecorder)
    runner._result_list_factory = lambda: _RecordingList(recorder, keeps=keeps)
    from cfiddle.config import cfiddle_config
    from cfiddle.Exceptions import CFiddleException

    with cfiddle_config(**contents["config"]):
        try:
            value = runner._delegated_run()
        except CFiddleException as error:
            recorder.record(("raised", *describe_exception(error)))
            return
    if not isinstance(value, _RecordingList):
        # A user's own Runner class may return anything.
        recorder.record(("value", value))


def _load(pickled: str, recorder: Recorder) -> Any:
    """What the caller sent; None where it names a package that is not here, which is recorded."""
    try:
        with open(pickled, "rb") as stream:
            return pickle.load(stream)
    except ModuleNotFoundError as error:
        _, text, trace, _ = describe_exception(error)
        recorder.record(("raised", MISSING_PACKAGE, error.name or text, trace, None))
        return None


def _numbered(by_value: Iterable[object], first: int) -> dict[int, object]:
    """The classes and functions that came by value, by the numbers that the caller gives them."""
    return dict(enumerate(by_value, first))


class _RecordingList(list):  # type: ignore[type-arg]
    """Takes the place of CFiddle's result list and writes each result as it arrives."""

    def __init__(self, recorder: Recorder, *, keeps: bool) -> None:
        super().__init__()
        self._recorder, self._keeps = recorder, keeps

    def append(self, result: Any) -> None:
        self._recorder.record(("result", result))
        if self._keeps:
            super().append(result)


def _no_progress_bar(invocations: Iterable[Any], *_: Any, **__: Any) -> Iterable[Any]:
    return invocations


def _bring_libraries(
    invocations: Iterable[Any], libraries: Mapping[str, Mapping[str, str]], work: str
) -> None:
    """Point each executable to its copy here, and to a fresh build directory of its own."""
    for invocation in invocations:
        executable = invocation.executable
        places = libraries.get(executable.lib)
        if places is None:
            continue
        executable.lib = f"{work}/{places['library']}"
        executable.build_dir = f"{work}/{places['build_dir']}"
        os.makedirs(executable.build_dir, exist_ok=True)


def _shorten_result_names() -> None:
    """Let CFiddle write each invocation's table to a short, unused name.

    Its own choice holds all the arguments: longer than 255 bytes, the run crashes; equal to an
    old table's, a failed write would return the old numbers.
    """
    from cfiddle.Invoker import Invoker

    def path(self: Any) -> str:
        name = os.path.join(self._invocation.executable.build_dir, "results.csv")
        if os.path.exists(name):
            os.unlink(name)
        return name

    if hasattr(Invoker, "_build_results_path"):
        Invoker._build_results_path = path


def _return_by_prototype() -> None:
    """Have functions return what they are declared to: ctypes takes every result for a C int."""
    from cfiddle.Invoker import Invoker

    load = Invoker._load_symbol

    def load_typed(self: Any, symbol: str) -> Any:
        found = load(self, symbol)
        if symbol == self._invocation.function:
            kind = result_type(self._get_function(symbol).return_type)
            found.restype = kind or found.restype
        return found

    Invoker._load_symbol = load_typed


def result_type(declared: Any) -> type | None:
    """The type of ctypes for a function's declared one; None where CFiddle knows no type for it."""
    simple: Any = ctypes.c_int.__mro__[1]
    if isinstance(declared, type) and issubclass(declared, simple):
        return declared
    return ctypes.c_void_p if type(declared).__name__ == "UnhandledIndirectParameterType" else None


def run_call(plan: Mapping[str, Any], work: str, recorder: Recorder) -> None:
    """Execute a pickled method call; what it returns and the object's new state are the result."""
    sys.path.insert(0, f"{work}/{MODULES}")
    if plan["entry"]["full"]:
        enter_cfiddle(full=True)
    call = _load(f"{work}/{plan['entry']['call']}", recorder)
    if call is None:
        return
    target, method, only = call["obj"], call["method"], plan["entry"].get("only")
    recorder.know({0: target, **_numbered(call.get("by_value", ()), 1)})
    before = recorder.fingerprints(target.__dict__)
    try:
        if call["subdelegate"] is not None:
            value = call["subdelegate"].invoke(target, method, *call["args"], **call["kwargs"])
        else:
            value = getattr(target, method)(*call["args"], **call["kwargs"])
    except Exception as error:
        # Where the object's new state cannot travel, it stays here: the exception says more.
        with suppress(Exception):
            recorder.record(("state", *_changes(before, target, recorder, only)))
        recorder.record(("raised", *describe_exception(error)))
        return
    changes = _changes(before, target, recorder, only)
    try:
        # In one record: what is in both is one object there, too.
        recorder.record(("returned", *changes, value))
    except Exception:  # a class of the user's own may refuse in any way
        recorder.record(("state", *changes))
        recorder.record(("value", value))


def _changes(
    before: Mapping[str, bytes | None],
    target: Any,
    recorder: Recorder,
    only: Sequence[str] | None,
) -> tuple[dict[str, Any], list[str]]:
    """The attributes that the call set or changed, and the names of those that it removed.

    What is still as it came is not sent back: there it is the caller's own object, and may be of a
    kind that cannot travel home.

    Args:
        only: the names of the attributes that the caller wants, if not of all.
    """
    after = recorder.fingerprints(target.__dict__)
    changed = {
        name: value
        for name, value in target.__dict__.items()
        if (after[name] is None or after[name] != before.get(name))
        and (only is None or name in only)
    }
    return changed, [name for name in before if name not in after and only is None]

"""The delegate_function side: run any object's method in the sandbox.

delegate_function (on GitHub, in no package registry) nests delegates: each takes the next one as
``subdelegate`` and calls ``invoke(obj, method, ...)``. That protocol is spoken here without the
package; where it is installed, the delegate is one of its ``BaseDelegate``, and importing this
module makes its name known there, so that chains written in YAML may have it.
"""

import functools
import importlib
from typing import Any, NoReturn

from cfiddle_slurm import self_contained
from cfiddle_slurm.backend import Backend
from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.bundle.layout import FILES, MODULES
from cfiddle_slurm.errors import InputError, ResultRejected, SettingsError
from cfiddle_slurm.outgoing.inputs import check_patterns, input_members
from cfiddle_slurm.outgoing.modules import user_modules
from cfiddle_slurm.outgoing.pickling import dump
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.results.allowed import whole_module
from cfiddle_slurm.results.records import RaisedThere
from cfiddle_slurm.run.remote_run import execute
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.self_contained import is_self_contained
from cfiddle_slurm.settings import Settings, resolve

_CALL = "call.pickle"
_LONGEST_CHAIN = 100


def _base() -> type:
    try:
        found = importlib.import_module("delegate_function").BaseDelegate
    except (ImportError, AttributeError):
        return object
    return found if isinstance(found, type) else object


_Base: Any = _base()


class SlurmSandboxDelegate(_Base):  # type: ignore[misc]
    """Invokes methods as Slurm jobs, each in a single-use sandbox.

    Args:
        subdelegate: a further delegate, which makes the call inside the sandbox.
        debug_pre_hook: None; nothing else is taken, because a sandbox has no terminal.
        interactive: taken for the protocol's sake, without effect.
        **options: fields of :class:`~cfiddle_slurm.settings.Settings`, as for
            :func:`~cfiddle_slurm.configure`.

    Raises:
        SettingsError: an unknown option or a wrong value.
    """

    def __init__(
        self,
        subdelegate: Any = None,
        *,
        debug_pre_hook: Any = None,
        interactive: bool = False,
        **options: Any,
    ) -> None:
        if debug_pre_hook:
            raise SettingsError(
                "SlurmSandboxDelegate takes no debug_pre_hook: a sandbox has no terminal.",
                hint="Give the hook to a delegate outside of it.",
            )
        if _Base is not object:
            super().__init__(subdelegate, interactive=interactive)
        self._subdelegate = subdelegate
        self._interactive = interactive
        self._settings = resolve(options)

    @property
    def settings(self) -> Settings:
        """The settings in force for this delegate."""
        return self._settings

    def set_subdelegate(self, subdelegate: Any) -> None:
        """Have another delegate make the call inside the sandbox (None: none)."""
        self._subdelegate = subdelegate

    def invoke(self, obj: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call ``obj.method(*args, **kwargs)`` in the sandbox.

        The object's attributes are afterwards as the call left them there; those that it did not
        change remain the very objects that they are here.

        Returns:
            What the method returned.

        Raises:
            InputError: the object or an argument cannot travel, or has no such method.
            CFiddleSlurmError: the run did not succeed.
            Exception: what the method raised, with its type where that can be loaded here, and a
                RemoteError otherwise; the first has the second as its cause, which tells the
                remote traceback and the run.
        """
        if self._subdelegate is None and is_self_contained(obj, method):
            # CFiddle would load whatever bytes come back. So its runner travels as any other does,
            # and it finds what has been read through the allow-list.
            elsewhere = self_contained.bring_inputs(obj)
            results = Backend(self._settings).results_of(obj._runner)
            files = self_contained.output_files(obj) if elsewhere else None
            return self_contained.pack_results(obj, results, files)
        task = self._task(obj, method, args, kwargs)
        returned = execute(task, self._settings)
        records = returned.records
        if returned.error is not None:
            if records.values:
                returned.error.partial_results = records.values[0]
            raise returned.error
        if records.state is not None:
            if is_self_contained(obj, method) and "_outputs_file" in records.state:
                self_contained.read_results(obj, records.state.pop("_outputs_file"), task.extra)
            # In place: other names may refer to the dictionary.
            for name in records.removed:
                vars(obj).pop(name, None)
            vars(obj).update(records.state)
        if records.raised is not None:
            _raise(records.raised, returned.report)
        if not records.values:
            # It ended in good order, so whatever took its result away was in the sandbox.
            raise ResultRejected("The method ended without a result.")
        return records.values[0]

    def _task(self, obj: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        if not callable(getattr(obj, method, None)) or not hasattr(obj, "__dict__"):
            raise InputError(
                f"{type(obj).__name__} has no method {method!r} that can be delegated."
            )
        call = {
            "obj": self_contained.travelling(obj) if is_self_contained(obj, method) else obj,
            "method": method,
            "args": args,
            "kwargs": kwargs,
            "subdelegate": self._subdelegate,
        }
        pickled = dump(call, stays=functools.partial(_leads_to, self))
        modules, own = user_modules((module for module, _ in pickled.names), MODULES)
        members = (
            Member(_CALL, pickled.data),
            *modules,
            *input_members(self._settings.input_files, FILES),
        )
        outputs = check_patterns(self._settings.output_files, "output_files")
        # Of CFiddle's own object nothing else is wanted, and a delegate may have made copies of it.
        only = ["_outputs_file"] if is_self_contained(obj, method) else None
        entry = {"call": _CALL, "full": pickled.names_package("cfiddle"), "only": only}
        sent = pickled.names | pickled.valued | set(map(whole_module, own))
        return Task("call", entry, members, outputs, (obj,), sent, pickled.by_value)


def _raise(raised: RaisedThere, report: RunReport) -> NoReturn:
    told = raised.as_remote_error()
    told.report, told.run_id = report, report.run_id
    told.job_id, told.node = report.job_id, report.node
    if raised.exception is None:
        raise told
    raise raised.exception from told


def _leads_to(delegate: SlurmSandboxDelegate, found: object) -> bool:
    """Whether an object is this delegate, or another by which it was called.

    The object whose method is called may hold it (CFiddle's self-contained execution does), and
    with it what belongs to this process. In the sandbox nobody delegates back.
    """
    waiting, seen = [found], {id(found)}
    while waiting and len(seen) < _LONGEST_CHAIN:
        one = waiting.pop()
        if one is delegate:
            return True
        if not callable(getattr(type(one), "invoke", None)):
            continue
        for value in getattr(one, "__dict__", {}).values():
            if id(value) not in seen and callable(getattr(type(value), "invoke", None)):
                seen.add(id(value))
                waiting.append(value)
    return False


def _make_known() -> None:
    """Let delegate_function find the name, which it looks up among its own module's (YAML)."""
    if _Base is not object:
        package = importlib.import_module("delegate_function")
        vars(package).setdefault("SlurmSandboxDelegate", SlurmSandboxDelegate)


_make_known()

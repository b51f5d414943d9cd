"""The delegate_function side: run any object's method in the sandbox.

delegate_function (on GitHub, in no package registry) nests delegates: each takes the next one as
``subdelegate`` and calls ``invoke(obj, method, ...)``. That protocol is spoken here without the
package; where it is installed, the delegate is one of its ``BaseDelegate``.
"""

import importlib
from typing import Any

from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.bundle.layout import FILES, MODULES
from cfiddle_slurm.errors import InputError, ResultRejected
from cfiddle_slurm.outgoing.inputs import check_patterns, input_members
from cfiddle_slurm.outgoing.pickling import dump, user_modules
from cfiddle_slurm.run.remote_run import execute
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.settings import Settings, resolve

_CALL = "call.pickle"


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
        debug_pre_hook, interactive: taken for the protocol's sake; a sandbox has no terminal.
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
        if _Base is not object:
            super().__init__(subdelegate, debug_pre_hook=debug_pre_hook, interactive=interactive)
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
                RemoteError otherwise.
        """
        returned = execute(self._task(obj, method, args, kwargs), self._settings)
        records = returned.records
        if returned.error is not None:
            if records.values:
                returned.error.partial_results = records.values[0]
            raise returned.error
        if records.state is not None:
            # In place: other names may refer to the dictionary.
            for name in records.removed:
                vars(obj).pop(name, None)
            vars(obj).update(records.state)
        if records.raised is not None:
            raise records.raised.exception or records.raised.as_remote_error()
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
            "obj": obj,
            "method": method,
            "args": args,
            "kwargs": kwargs,
            "subdelegate": self._subdelegate,
        }
        pickled = dump(call)
        members = (
            Member(_CALL, pickled.data),
            *user_modules(pickled.names, MODULES),
            *input_members(self._settings.input_files, FILES),
        )
        outputs = check_patterns(self._settings.output_files, "output_files")
        entry = {"call": _CALL, "full": pickled.names_package("cfiddle")}
        return Task("call", entry, members, outputs, (obj,), pickled.names)

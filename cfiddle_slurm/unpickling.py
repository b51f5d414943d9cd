"""The allow-list through which anything from the sandbox is unpickled in the notebook.

A pickle is a program, and these bytes were written by a process that ran a student's code. It may
name the classes that results are made of, and no others; it may build new objects of them, and
change nothing that was here before. The unpickler is the one of the standard library that is
written in Python, since its steps can be watched: three times slower than the other, which for
the results of a run is milliseconds.
"""

import importlib
import pickle
import sys
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, BinaryIO, ClassVar

from cfiddle_slurm.errors import ResultRejected

_ALLOWED = {
    "cfiddle.Data": {"InvocationResultsList"},
    "cfiddle.Runner": {"InvocationResult"},
    "collections": {"OrderedDict"},
    "builtins": {"complex"},
}
_EXCEPTION_PACKAGES = ("builtins", "cfiddle")
_CALL_ALLOWED = {
    **_ALLOWED,
    # As a rule pickle has opcodes of its own for these; by name they come as default factories.
    "builtins": {
        "bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "object",
        "range", "set", "slice", "str", "tuple",
    },
    "_io": {"BytesIO", "StringIO"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},
    "uuid": {"UUID"},
}  # fmt: skip
_CONTAINERS = (list, dict, set, deque, bytearray)


_Unpickler: Any = pickle._Unpickler  # the one written in Python, whose steps can be watched


class _DataUnpickler(_Unpickler):  # type: ignore[misc]
    """For the records of a CFiddle run, whose classes do nothing but hold data.

    It decides which classes may be named, and refuses the steps that would change something which
    was here before.
    """

    allowed = _ALLOWED
    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(
        self, stream: BinaryIO, invocations: Sequence[Any], extra: Collection[tuple[str, str]]
    ) -> None:
        super().__init__(stream)
        self._invocations = invocations
        self._known = frozenset(map(id, invocations))
        self._extra = extra

    def find_class(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ResultRejected("The results name a class in a form that pickle does not write.")
        if name in self.allowed.get(module, ()) or (module, name) in self._extra:
            found = _class_of(module, name)
        else:
            found = self._find_exception(module, name)
        if found is None:
            raise ResultRejected(
                f"The results refer to {module}.{name}, which is not part of a CFiddle result; "
                "they were not loaded and nothing of them ran.",
                hint="Results are written by the experiment's own process: "
                "check whether your code tampers with them.",
            )
        return found

    def _find_exception(self, module: str, name: str) -> type | None:
        """An exception's class, of those that may be made here."""
        if module.partition(".")[0] in _EXCEPTION_PACKAGES:
            return _exception_class(_class_of(module, name))
        return None

    def persistent_load(self, number: Any) -> Any:
        if not isinstance(number, int) or not 0 <= number < len(self._invocations):
            raise ResultRejected(f"The results refer to object {number!r:.40}, which was not sent.")
        return self._invocations[number]

    def _refuse_change(self, target: Any) -> None:
        if isinstance(target, type) or id(target) in self._known:
            raise ResultRejected(f"The results would change {target!r:.100} here.")

    def _refuse_filling(self, target: Any) -> None:
        # What is no container of Python's own would have a method of its class called.
        self._refuse_change(target)
        if not isinstance(target, _CONTAINERS):
            raise ResultRejected(f"The results would fill {target!r:.100}, which is no container.")

    def _load_build(self) -> None:
        self._refuse_change(self.stack[-2])
        super().load_build()

    def _load_append(self) -> None:
        self._refuse_filling(self.stack[-2])
        super().load_append()

    def _load_setitem(self) -> None:
        self._refuse_filling(self.stack[-3])
        super().load_setitem()

    def _load_appends(self) -> None:
        self._refuse_filling(self.metastack[-1][-1])
        super().load_appends()

    def _load_setitems(self) -> None:
        self._refuse_filling(self.metastack[-1][-1])
        super().load_setitems()

    def _load_additems(self) -> None:
        self._refuse_filling(self.metastack[-1][-1])
        super().load_additems()

    def get_extension(self, code: int) -> None:
        """Refuse codes of the copyreg module, which go past :meth:`find_class`."""
        raise ResultRejected(f"The results name a class by the number {code}.")

    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.APPEND[0]] = _load_append
    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.APPENDS[0]] = _load_appends
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.ADDITEMS[0]] = _load_additems


class _CallUnpickler(_DataUnpickler):
    """For the records of a method call, which may hold objects of the caller's own classes.

    Such a class may do anything in its constructor, so no constructor is called with arguments
    from the pickle: objects are made bare and given their state, as pickle does by default.
    """

    allowed = _CALL_ALLOWED
    dispatch: ClassVar[dict[int, Any]] = dict(_DataUnpickler.dispatch)

    def _find_exception(self, module: str, name: str) -> type | None:
        """Also what is loaded here of the standard library and of the packages that were sent."""
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names or package in {
            sent.partition(".")[0] for sent, _ in self._extra
        }:
            return _exception_class(getattr(sys.modules.get(module), name, None))
        return super()._find_exception(module, name)

    def _load_reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if isinstance(function, type) and issubclass(function, Exception):
            del self.stack[-1]
            self.stack[-1] = _bare_exception(function, arguments)
            return
        self._refuse_constructor(function)
        _refuse_bomb(function, arguments)
        super().load_reduce()

    def _instantiate(self, klass: Any, args: Any) -> None:
        self._refuse_constructor(klass)
        super()._instantiate(klass, args)

    def _refuse_constructor(self, function: Any) -> None:
        if not isinstance(function, type) or (
            function.__name__ not in self.allowed.get(function.__module__, ())
            or function is not _class_of(function.__module__, function.__name__)
        ):
            raise ResultRejected(f"The results would call {function!r:.100} here.")

    dispatch[pickle.REDUCE[0]] = _load_reduce


def _refuse_bomb(function: Any, arguments: Any) -> None:
    """Refuse a few bytes that would become more than memory holds."""
    if function is range or not isinstance(arguments, tuple):
        return
    if any(isinstance(argument, range) for argument in arguments) or (
        function is bytearray and any(isinstance(argument, int) for argument in arguments)
    ):
        raise ResultRejected(f"The results would fill a {function.__name__} by a number alone.")


def _exception_class(found: Any) -> type | None:
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _bare_exception(kind: type[Exception], arguments: Any) -> Exception:
    """An exception with its arguments, without calling any code of its class."""
    native: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    exception: Exception = native.__new__(kind, *arguments)
    native.__init__(exception, *arguments)
    return exception


def _class_of(module: str, name: str) -> type | None:
    """The class of that name, or None; never a function, and never through a dotted name."""
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def unpickler_for(
    stream: BinaryIO, invocations: Sequence[Any], extra: Collection[tuple[str, str]]
) -> pickle.Unpickler:
    """An unpickler for records.

    Args:
        stream: the bytes.
        invocations: what references by number stand for; none of these objects is changed.
        extra: further classes, as (module, name), that the caller itself sent; their
            constructors are not called. Without any, only a CFiddle run's classes are known.
    """
    kind: Any = _CallUnpickler if extra else _DataUnpickler
    unpickler: pickle.Unpickler = kind(stream, invocations, extra)
    return unpickler

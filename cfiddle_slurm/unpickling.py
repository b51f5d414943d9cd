"""The allow-list through which anything from the sandbox is unpickled in the notebook.

A pickle is a program, and these bytes were written by a process that ran a student's code. It may
name the classes that results are made of, and no others; it may build new objects of them, and
change nothing that was here before. The unpickler is the one of the standard library that is
written in Python, since its steps can be watched: some times slower than the other, which for the
results of a run is milliseconds.
"""

import importlib
import pickle
import struct
import sys
import types
from collections.abc import Callable, Collection, Sequence
from typing import Any, BinaryIO, ClassVar

from cfiddle_slurm.bare import (
    ADD,
    EXTEND,
    SET_ITEMS,
    Methods,
    Source,
    bare_exception,
    exception_class,
    fill,
    refuse_arguments,
    set_state,
    told,
)
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.nesting import Nesting

_ALLOWED = {
    "cfiddle.Data": {"InvocationResultsList"},
    "cfiddle.Runner": {"InvocationResult"},
    "collections": {"OrderedDict"},
    "builtins": {"complex"},
}
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
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


_Unpickler: Any = pickle._Unpickler  # the one written in Python, whose steps can be watched


def _followed(step: Callable[[Any], None]) -> Callable[[Any], None]:
    """A step that makes an object, and notes how deep that is."""

    def load(self: Any) -> None:
        step(self)
        self._nesting.made(self.stack[-1])

    return load


class _DataUnpickler(_Unpickler):  # type: ignore[misc]
    """For the records of a CFiddle run, whose classes do nothing but hold data.

    It decides which classes may be named, and refuses the steps that would change something which
    was here before. Where pickle would ask an object for a method, and the object may say by an
    attribute of its own what that is, the method is Python's own.
    """

    allowed = _ALLOWED
    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(
        self, stream: BinaryIO, invocations: Sequence[Any], extra: Collection[tuple[str, str]]
    ) -> None:
        self._source = Source(stream)
        super().__init__(self._source)
        self._invocations = invocations
        self._known = frozenset(map(id, invocations))
        self._extra = extra
        self._nesting = Nesting()
        self._copied = 0

    def find_class(self, module: Any, name: Any) -> Any:
        if type(module) is not str or type(name) is not str:
            raise ResultRejected("The results name a class in a form that pickle does not write.")
        if name in self.allowed.get(module, ()) or (module, name) in self._extra:
            found = _class_of(module, name)
        else:
            found = self._find_exception(module, name)
        if found is None:
            raise ResultRejected(
                f"The results refer to {module:.100}.{name:.100}, which is not part of a CFiddle "
                "result; they were not loaded and nothing of them ran.",
                hint="Results are written by the experiment's own process: "
                "check whether your code tampers with them.",
            )
        return found

    def _find_exception(self, module: str, name: str) -> type | None:
        """An exception's class, of those that may be made here."""
        if module.partition(".")[0] in _EXCEPTION_PACKAGES:
            return exception_class(_class_of(module, name))
        return None

    def persistent_load(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._invocations):
            raise ResultRejected(f"The results refer to {told(number)}, which was not sent.")
        return self._invocations[number]

    def get_extension(self, code: int) -> None:
        """Refuse codes of the copyreg module, which go past :meth:`find_class`."""
        raise ResultRejected(f"The results name a class by the number {code}.")

    # What makes new objects:

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._called(self.stack[-1], arguments)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self._called(klass, tuple(args)))

    def _called(self, function: Any, arguments: Any) -> Any:
        if type(arguments) is not tuple:
            raise ResultRejected("The results would call something in a form that pickle does not.")
        if exception_class(function) is not None:
            found: Any = bare_exception(function, arguments)
        else:
            self._refuse_constructor(function)
            self._refuse_arguments(function, arguments)
            found = function(*arguments)
        self._nesting.made(found, arguments)
        return found

    def _refuse_constructor(self, function: Any) -> None:
        if not isinstance(function, type) or (
            function.__name__ not in self.allowed.get(function.__module__, ())
            or function is not _class_of(function.__module__, function.__name__)
        ):
            raise ResultRejected(f"The results would call {told(function)} here.")

    def _refuse_arguments(self, kind: type, arguments: tuple[Any, ...]) -> None:
        refuse_arguments(kind, arguments)
        # Pickle writes what a constructor copies for it alone; but a few bytes that refer to a long
        # list can stand in a stream again and again.
        self._copied += sum(len(one) for one in arguments if type(one) in _SIZED)
        if self._copied > self._source.taken:
            raise ResultRejected("The results would copy the same data over and over again.")

    def _load_newobj(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._bare(self.stack[-1], arguments)

    def _load_newobj_ex(self) -> None:
        # Written only for classes that have a constructor of their own.
        raise ResultRejected(f"The results would call {told(self.stack[-3])} here.")

    def _bare(self, kind: Any, arguments: Any) -> Any:
        """An object without anything but the value that a class of Python's own gives it."""
        if type(arguments) is not tuple or not isinstance(kind, type):
            raise ResultRejected("The results would make an object in a form that pickle does not.")
        make: Any = kind.__new__
        if arguments and not isinstance(make, types.BuiltinFunctionType):
            if issubclass(kind, tuple) and hasattr(kind, "_fields"):
                # A named tuple's own is written in Python, and takes the items one by one.
                make, arguments = tuple.__new__, (arguments,)
            else:
                self._refuse_constructor(kind)
        self._refuse_arguments(kind, arguments)
        found = make(kind, *arguments)
        self._nesting.made(found, arguments)
        return found

    def _load_bytearray8(self) -> None:
        # The original makes room for as many bytes as are announced before it reads one.
        (length,) = struct.unpack("<Q", self.read(8))
        content = self.read(length)
        if len(content) < length:
            raise EOFError
        self.append(bytearray(content))

    # What fills them:

    def _refuse_change(self, target: Any) -> None:
        if isinstance(target, type) or id(target) in self._known:
            raise ResultRejected(f"The results would change {told(target)} here.")

    def _fill(self, methods: Methods) -> None:
        items = self.pop_mark()
        target = self.stack[-1]
        self._refuse_change(target)
        fill(target, methods, items)
        self._nesting.filled(target, items)

    def _load_appends(self) -> None:
        self._fill(EXTEND)

    def _load_append(self) -> None:
        self._mark_last(1)
        self._fill(EXTEND)

    def _load_additems(self) -> None:
        self._fill(ADD)

    def _load_setitems(self) -> None:
        self._fill(SET_ITEMS)

    def _load_setitem(self) -> None:
        self._mark_last(2)
        self._fill(SET_ITEMS)

    def _mark_last(self, count: int) -> None:
        """Let the last objects stand behind a mark, as those that come together do."""
        items = self.stack[-count:]
        del self.stack[-count:]
        self.load_mark()
        self.stack += items

    def _load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        self._refuse_change(target)
        set_state(target, state)
        self._nesting.filled(target, state)

    for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
        dispatch[_code[0]] = _followed(dispatch[_code[0]])
    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.NEWOBJ[0]] = _load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex
    dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray8
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

    def _find_exception(self, module: str, name: str) -> type | None:
        """Also what is loaded here of the standard library and of the packages that were sent."""
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names or package in {
            sent.partition(".")[0] for sent, _ in self._extra
        }:
            return exception_class(getattr(sys.modules.get(module), name, None))
        return super()._find_exception(module, name)


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

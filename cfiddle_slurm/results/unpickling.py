"""The allow-list through which anything from the sandbox is unpickled in the notebook.

A pickle is a program, and these bytes were written by a process that ran a student's code. It may
name the classes that results are made of, and no others; it may build new objects of them, and
change nothing that was here before. The unpickler is the one of the standard library that is
written in Python, since its steps can be watched: some times slower than the other, which for the
results of a run is milliseconds.
"""

import pickle
import struct
import types
from collections.abc import Collection, Sequence
from enum import Enum
from typing import Any, BinaryIO, ClassVar

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.rebuilt import exception_class, give_attributes, plain_exception
from cfiddle_slurm.results.allowed import (
    ALLOWED,
    class_of,
    class_of_sent_module,
    enum_member,
    exception_of,
)
from cfiddle_slurm.results.bare_objects import (
    ADD,
    EXTEND,
    SET_ITEMS,
    Source,
    refuse_arguments,
    set_state,
    told,
)
from cfiddle_slurm.results.budget import COPIED, COST, Budget
from cfiddle_slurm.results.nesting import Nesting
from cfiddle_slurm.results.shown import is_shown_in_proportion
from cfiddle_slurm.results.steps import TEXTS, filling, followed, paid, shared

_SIZED = (*TEXTS, list, tuple, dict, set, frozenset)
_BYTES = 4
"""Of a character, at the most."""
_MOST_MARKS = 10_000
_Unpickler: Any = pickle._Unpickler  # the one written in Python, whose steps can be watched


class Unpickler(_Unpickler):  # type: ignore[misc]
    """Decides which classes may be named, and refuses steps that would change what was here before.

    Where pickle would ask an object for a method, and the object may say by an attribute of its own
    what that is, the method is Python's own. The classes may be the caller's own, and such a class
    may do anything in its constructor. So no constructor of these is called with arguments from
    the pickle: objects are made bare and given their state, as pickle does by default.

    Args:
        stream: the bytes.
        invocations: what references by number stand for; none of these objects is changed.
        extra: further classes, as (module, name), that the caller itself sent.
    """

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
        self._budget = Budget(self._source)
        self._shares = False

    def load(self) -> Any:
        """The next record."""
        self._shares, before = False, self._source.taken
        self.memo: dict[int, Any] = {}  # each record is a pickle of its own
        record = super().load()
        if self._shares and not is_shown_in_proportion(record, self._source.taken - before):
            raise ResultRejected(
                "The results are short in the file and would be huge when they are shown."
            )
        return record

    def find_class(self, module: Any, name: Any) -> Any:
        if type(module) is not str or type(name) is not str:
            raise ResultRejected("The result file names a class in a way that pickle never does.")
        if name in ALLOWED.get(module, ()) or (module, name) in self._extra:
            found = class_of(module, name)
        else:
            found = self.find_exception(module, name) or class_of_sent_module(
                module, name, self._extra
            )
        if found is None:
            raise ResultRejected(
                f"The result file refers to {module:.100}.{name:.100}, which is not part of a "
                "CFiddle result. None of the file was loaded, and nothing of it ran.",
                hint="The experiment's own process writes the result file: "
                "check whether your code tampers with it.",
            )
        return found

    def find_exception(self, module: str, name: str) -> type[Exception] | None:
        """An exception's class, of those that are loaded and may be made here."""
        return exception_of(module, name, self._extra)

    def persistent_load(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._invocations):
            raise ResultRejected(f"The result file refers to {told(number)}, which was not sent.")
        return self._invocations[number]

    def get_extension(self, code: int) -> None:
        """Refuse codes of the copyreg module, which go past :meth:`find_class`."""
        raise ResultRejected(f"The result file names a class by the number {code}.")

    # What makes new objects:

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._called(self.stack[-1], arguments)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self._called(klass, tuple(args)))

    def _called(self, function: Any, arguments: Any) -> Any:
        if type(arguments) is not tuple:
            raise ResultRejected(
                "The result file tries to call something in a way that pickle never does."
            )
        if isinstance(function, type) and issubclass(function, BaseException):
            return self._exception(function, arguments)
        if isinstance(function, type) and issubclass(function, Enum):
            return self._member(function, arguments)
        self._refuse_constructor(function)
        self._refuse_arguments(function, arguments)
        found = function(*arguments)
        self._budget.made(found)
        self._nesting.made(found, arguments)
        return found

    def _exception(self, kind: Any, arguments: tuple[Any, ...]) -> Exception:
        allowed = exception_class(kind)
        found = None if allowed is None else plain_exception(allowed, arguments)
        if found is None:
            raise ResultRejected(
                f"The result file contains an exception of {told(kind)} that cannot come home.",
                hint="Exceptions come home as their class and plain arguments.",
            )
        self._budget.made(found)
        return found

    def _member(self, kind: type[Enum], arguments: tuple[Any, ...]) -> Enum:
        found = enum_member(kind, arguments)
        if found is None:
            raise ResultRejected(f"The result file names no member of {told(kind)}.")
        return found

    def _refuse_constructor(self, function: Any) -> None:
        if not isinstance(function, type) or (
            function.__name__ not in ALLOWED.get(function.__module__, ())
            or function is not class_of(function.__module__, function.__name__)
        ):
            raise ResultRejected(f"The result file tries to call {told(function)} here.")

    def _refuse_arguments(self, kind: type, arguments: tuple[Any, ...]) -> None:
        refuse_arguments(kind, arguments)
        # Pickle writes what a constructor copies for it alone; but a few bytes that refer to a long
        # list can stand in a stream again and again.
        for one in arguments:
            if type(one) in _SIZED:
                self._budget.copied(len(one), _BYTES if type(one) in TEXTS else COPIED)

    def _load_newobj(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._bare(self.stack[-1], arguments)

    def _load_newobj_ex(self) -> None:
        # Written only for classes that have a constructor of their own.
        raise ResultRejected(f"The result file tries to call {told(self.stack[-3])} here.")

    def _bare(self, kind: Any, arguments: Any) -> Any:
        """An object without anything but the value that a class of Python's own gives it."""
        if type(arguments) is not tuple or not isinstance(kind, type):
            raise ResultRejected(
                "The result file tries to make an object in a way that pickle never does."
            )
        if issubclass(kind, BaseException):
            return self._exception(kind, arguments)
        make: Any = kind.__new__
        if arguments and not isinstance(make, types.BuiltinFunctionType):
            if issubclass(kind, tuple) and hasattr(kind, "_fields"):
                # A named tuple's own is written in Python, and takes the items one by one.
                make, arguments = tuple.__new__, (arguments,)
            else:
                self._refuse_constructor(kind)
        self._refuse_arguments(kind, arguments)
        found = make(kind, *arguments)
        self._budget.made(found)
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
        if isinstance(target, type | Enum) or id(target) in self._known:
            raise ResultRejected(f"The result file tries to change {told(target)} here.")

    def _load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        self._refuse_change(target)
        self._budget.spend(COST[pickle.BUILD])
        if isinstance(target, BaseException):
            if type(state) is dict:
                give_attributes(target, state)
            return
        set_state(target, state)
        self._nesting.filled(target, state)

    def _load_mark(self) -> None:
        # Each mark costs a list, until it is taken away again.
        if len(self.metastack) > _MOST_MARKS:
            raise ResultRejected("The results are nested too deeply.")
        self.load_mark()

    for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
        dispatch[_code[0]] = followed(dispatch[_code[0]])
    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.NEWOBJ[0]] = _load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex
    dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray8
    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.APPEND[0]] = filling(EXTEND, 1)
    dispatch[pickle.APPENDS[0]] = filling(EXTEND, 0)
    dispatch[pickle.SETITEM[0]] = filling(SET_ITEMS, 2)
    dispatch[pickle.SETITEMS[0]] = filling(SET_ITEMS, 0)
    dispatch[pickle.ADDITEMS[0]] = filling(ADD, 0)
    dispatch[pickle.MARK[0]] = _load_mark
    for _code in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.DUP):
        dispatch[_code[0]] = shared(dispatch[_code[0]])
    for _code, _cost in COST.items():
        if _code != pickle.BUILD:
            dispatch[_code[0]] = paid(dispatch[_code[0]], _cost)

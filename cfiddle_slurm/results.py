"""Read what an experiment says it measured, without letting it run anything here.

The records come from a process that ran a student's code, so their bytes may be anything. They
are unpickled through an allow-list of classes: what CFiddle's results are made of, and nothing
that could act when it is constructed.
"""

import importlib
import io
import pickle
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar

from cfiddle_slurm.errors import RemoteError, ResultRejected

_ALLOWED = {
    "cfiddle.Data": {"InvocationResultsList"},
    "cfiddle.Runner": {"InvocationResult"},
    "collections": {"OrderedDict"},
    "builtins": {"complex"},
}
_EXCEPTION_PACKAGES = ("builtins", "cfiddle")
_CALL_ALLOWED = {
    **_ALLOWED,
    "builtins": {"bytearray", "complex", "frozenset", "object", "range", "set", "slice"},
    "_io": {"BytesIO", "StringIO"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},
    "uuid": {"UUID"},
}
_MAX_TEXT = 20_000


@dataclass(frozen=True)
class RaisedThere:
    """An exception that the experiment raised, as told by its process."""

    type_name: str
    text: str
    traceback: str
    exception: BaseException | None
    """The exception itself, where its class may be loaded here."""

    def as_cfiddle_exception(self) -> Exception:
        """The exception itself if it is one of CFiddle's, else a RemoteError that tells of it.

        CFiddle hides any other exception behind the words "internal error".
        """
        from cfiddle.Exceptions import CFiddleException

        # CFiddle's classes have no types: the first test says that it is an Exception.
        exception = self.exception
        if isinstance(exception, Exception) and isinstance(exception, CFiddleException):
            return exception
        return self.as_remote_error()

    def as_remote_error(self) -> RemoteError:
        """An error that tells type, text and traceback."""
        name = self.type_name.removeprefix("builtins.")
        error = RemoteError(f"The experiment raised {name}: {self.text}", cause=self.traceback)
        error.type_name, error.remote_traceback = self.type_name, self.traceback
        return error


@dataclass
class Records:
    """What one or more processes of a run recorded.

    Attributes:
        results: finished results in the order they were finished.
        values: return values of calls (and of a user's own Runner).
        state: the called object's attributes that the call set or changed, or None.
        removed: the names of those that it removed.
        raised: the exception that ended the run, or None.
        truncated: whether the last record was cut off, as by a crash.
    """

    results: list[Any]
    values: list[Any]
    state: dict[str, Any] | None = None
    removed: list[str] = field(default_factory=list)
    raised: RaisedThere | None = None
    truncated: bool = False


class _AllowList:
    """Decides which classes a pickle may name; mixed into an unpickler."""

    allowed = _ALLOWED

    def __init__(
        self, stream: BinaryIO, invocations: Sequence[Any], extra: Collection[tuple[str, str]]
    ) -> None:
        super().__init__(stream)  # type: ignore[call-arg]
        self._invocations = invocations
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


class _DataUnpickler(_AllowList, pickle.Unpickler):
    """For the records of a CFiddle run: its classes do nothing but hold data."""


_Unpickler: Any = pickle._Unpickler  # the one written in Python, whose steps can be watched


class _CallUnpickler(_AllowList, _Unpickler):  # type: ignore[misc]
    """For the records of a method call, which may hold objects of the caller's own classes.

    Such a class may do anything in its constructor, so no constructor is called with arguments
    from the pickle: objects are made bare and given their state, as pickle does by default.
    """

    allowed = _CALL_ALLOWED
    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

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
        super().load_reduce()

    def _instantiate(self, klass: Any, args: Any) -> None:
        self._refuse_constructor(klass)
        super()._instantiate(klass, args)

    def _refuse_constructor(self, function: Any) -> None:
        harmless = isinstance(function, type) and (
            function.__name__ in self.allowed.get(function.__module__, ())
        )
        if not harmless:
            raise ResultRejected(f"The results would call {function!r:.100} here.")

    dispatch[pickle.REDUCE[0]] = _load_reduce


def _exception_class(found: Any) -> type | None:
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _bare_exception(kind: type[Exception], arguments: Any) -> Exception:
    """An exception with its arguments, without calling any code of its class."""
    native: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    exception: Exception = native.__new__(kind, *arguments)
    return exception


def _class_of(module: str, name: str) -> type | None:
    """The class of that name, or None; never a function, and never through a dotted name."""
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def read_records(
    streams: Iterable[BinaryIO],
    invocations: Sequence[Any] = (),
    extra: Collection[tuple[str, str]] = (),
) -> Records:
    """Read the records of a run's processes, in order.

    Args:
        streams: one binary stream per process.
        invocations: what the records' references by number stand for, in order.
        extra: further classes, as (module, name), that the caller itself sent; their
            constructors are not called.

    Raises:
        ResultRejected: the records hold anything but data of the allowed classes.
    """
    records = Records(results=[], values=[])
    for stream in streams:
        for record in _load_each(stream, invocations, extra, records):
            _take(record, records, extra)
    return records


def _load_each(
    stream: BinaryIO,
    invocations: Sequence[Any],
    extra: Collection[tuple[str, str]],
    records: Records,
) -> Iterator[Any]:
    unpickler = _unpickler(stream, invocations, extra)
    while stream.peek(1):  # type: ignore[attr-defined]
        try:
            yield unpickler.load()
        except ResultRejected:
            raise
        except (EOFError, pickle.UnpicklingError) as error:
            if stream.peek(1):  # type: ignore[attr-defined]
                raise ResultRejected("The results are not a valid pickle.", cause=error) from error
            records.truncated = True
            return
        except Exception as error:  # a hostile pickle may fail in any way a class can
            raise ResultRejected("The results could not be read.", cause=error) from error


def _unpickler(
    stream: BinaryIO, invocations: Sequence[Any], extra: Collection[tuple[str, str]]
) -> pickle.Unpickler:
    kind: Any = _CallUnpickler if extra else _DataUnpickler
    unpickler: pickle.Unpickler = kind(stream, invocations, extra)
    return unpickler


def _take(record: Any, records: Records, extra: Collection[tuple[str, str]]) -> None:
    match record:
        case ("result", result):
            records.results.append(result)
        case ("value", value):
            records.values.append(value)
        case ("state", dict() as state, list() as removed) if _all_texts([*state, *removed]):
            records.state, records.removed = state, removed
        case ("raised", str() as kind, str() as text, str() as trace, bytes() | None as pickled):
            exception = _load_exception(pickled, extra)
            records.raised = RaisedThere(
                kind[:_MAX_TEXT], text[:_MAX_TEXT], trace[-_MAX_TEXT:], exception
            )
        case _:
            raise ResultRejected("The results hold a record of an unknown form.")


def _all_texts(names: list[object]) -> bool:
    return all(isinstance(name, str) for name in names)


def _load_exception(
    pickled: bytes | None, extra: Collection[tuple[str, str]]
) -> BaseException | None:
    if pickled is None:
        return None
    try:
        exception = _unpickler(io.BytesIO(pickled), (), extra).load()
    except ResultRejected:
        # An honest exception of a class of the user's own; its text is brought home instead.
        return None
    except Exception as error:
        raise ResultRejected(
            "The exception in the results could not be read.", cause=error
        ) from error
    return exception if isinstance(exception, BaseException) else None

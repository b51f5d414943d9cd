"""Read what an experiment says it returned, without letting it run anything here.

These are the records of calls, and of a Runner of the user's own, whose results may be of any
class. They come from a process that ran a student's code, so their bytes may be anything. They are
unpickled through the allow-list of :mod:`cfiddle_slurm.results.unpickling`.
"""

import pickle
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cfiddle_slurm.bundle.layout import MISSING_PACKAGE
from cfiddle_slurm.errors import CFiddleSlurmError, InputError, RemoteError, ResultRejected
from cfiddle_slurm.obeyed import is_obeyed_attribute
from cfiddle_slurm.printable import one_line, printable
from cfiddle_slurm.rebuilt import can_be_shown, plain_exception
from cfiddle_slurm.results.unpickling import Unpickler

_MAX_TEXT = 20_000
_MAX_NAME = 200
Finder = Callable[[str, str], type[Exception] | None]


@dataclass(frozen=True)
class RaisedThere:
    """An exception that the experiment raised, as told by its process."""

    type_name: str
    text: str
    traceback: str
    exception: Exception | None
    """One of the same class with the same plain arguments, where that may be made here."""

    def as_cfiddle_exception(self) -> Exception:
        """The exception itself if it is one of CFiddle's, else a RemoteError that tells of it.

        CFiddle hides any other exception behind the words "internal error".
        """
        from cfiddle.Exceptions import CFiddleException

        if isinstance(self.exception, CFiddleException):
            found: Exception = self.exception
            return found
        return self.as_remote_error()

    def as_remote_error(self) -> CFiddleSlurmError:
        """An error that tells type, text and traceback."""
        if self.type_name == MISSING_PACKAGE:
            return InputError(
                "The experiment needs the Python package "
                f"{self.text[:_MAX_NAME]!r}, which the sandbox does not have.",
                hint="Whoever runs the cluster can add it to [sandbox_packages] in cluster.toml. "
                "A module of your own travels if Python finds it here, beside the notebook, say.",
                cause=self.traceback,
            )
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
        truncated: whether a process's last record was cut off, as by a crash.
        unwritten: why output files could not be written, or None.
    """

    results: list[Any]
    values: list[Any]
    state: dict[str, Any] | None = None
    removed: list[str] = field(default_factory=list)
    raised: RaisedThere | None = None
    truncated: bool = False
    unwritten: CFiddleSlurmError | None = None


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
        unpickler = Unpickler(stream, invocations, extra)
        for record in _load_each(stream, unpickler, records):
            _take(record, records, unpickler.find_exception)
    return records


def load_one(stream: BinaryIO, extra: Collection[tuple[str, str]]) -> Any:
    """The one object of a stream: results as CFiddle itself pickles them.

    Raises:
        ResultRejected: it is anything but data of the allowed classes.
    """
    for found in _load_each(stream, Unpickler(stream, (), extra), Records([], [])):
        for result in found if isinstance(found, list) else ():
            _make_printable(result)
        return found
    raise ResultRejected("The result file is not a valid pickle.")


def _load_each(stream: BinaryIO, unpickler: Any, records: Records) -> Iterator[Any]:
    while stream.peek(1):  # type: ignore[attr-defined]
        try:
            yield unpickler.load()
        except ResultRejected:
            raise
        except (EOFError, pickle.UnpicklingError, struct.error, IndexError) as error:
            if stream.peek(1):  # type: ignore[attr-defined]
                raise ResultRejected(
                    "The result file is not a valid pickle.", cause=error
                ) from error
            records.truncated = True
            return
        except Exception as error:  # a hostile pickle may fail in any way a class can
            raise ResultRejected("The result file could not be read.", cause=error) from error


def _take(record: Any, records: Records, find_exception: Finder) -> None:
    if type(record) is not tuple:  # a class of somebody's own may be a sequence, too
        record = None
    match record:
        case ("result", result):
            _make_printable(result)
            records.results.append(result)
        case ("value", value):
            records.values.append(value)
        case ("state", dict() as state, list() as removed) if _is_state([*state, *removed]):
            records.state, records.removed = state, removed
        case ("returned", dict() as state, list() as removed, value) if _is_state(
            [*state, *removed]
        ):
            records.state, records.removed = state, removed
            records.values.append(value)
        case ("raised", str() as kind, str() as text, str() as trace, tuple() | None as form):
            records.raised = raised_there(kind, text, trace, form, find_exception)
        case _:
            raise ResultRejected("The result file contains a record of an unknown form.")


def raised_there(
    kind: str, text: str, trace: str, form: tuple[Any, ...] | None, find_exception: Finder
) -> RaisedThere:
    """The exception that a record tells of.

    Args:
        kind, text, trace: its class's name, its text and its traceback, of any length.
        form: what it can be made again of: module and name of its class, arguments, attributes.
        find_exception: finds a class by module and name.

    Raises:
        ResultRejected: the form is none.
    """
    return RaisedThere(
        one_line(kind[:_MAX_TEXT]),
        printable(text[:_MAX_TEXT]),
        printable(trace[-_MAX_TEXT:]),
        _rebuilt(form, find_exception),
    )


def _is_state(names: list[object]) -> bool:
    return all(type(name) is str and not is_obeyed_attribute(name) for name in names)


def _rebuilt(form: tuple[Any, ...] | None, find_exception: Finder) -> Exception | None:
    """The exception that a record tells of, where its class may be made here."""
    match form:
        case None:
            return None
        case (str() as module, str() as name, tuple() as arguments, dict() as attributes):
            kind = find_exception(module, name)
            made = None if kind is None else plain_exception(kind, arguments, attributes)
            return made if made is not None and can_be_shown(made) else None
        case _:
            raise ResultRejected("The result file contains a record of an unknown form.")


def _make_printable(result: Any) -> None:
    """Let the texts of a CFiddle result, names and values, give a terminal no commands.

    They are numbers by right, and are printed as tables, which print texts as they are.
    """
    fields = result.__dict__ if type(result).__name__ == "InvocationResult" else {}
    rows = fields.get("results")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and any(
            isinstance(one, str) and printable(one) != one for one in (*row, *row.values())
        ):
            items = [(_printed(key), _printed(value)) for key, value in row.items()]
            row.clear()
            row.update(items)
    if "return_value" in fields:
        fields["return_value"] = _printed(fields["return_value"])


def _printed(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value

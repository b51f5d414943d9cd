"""Read what an experiment says it measured, without letting it run anything here.

The records come from a process that ran a student's code, so their bytes may be anything. They
are unpickled through the allow-list of :mod:`cfiddle_slurm.unpickling`.
"""

import io
import pickle
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cfiddle_slurm.errors import RemoteError, ResultRejected
from cfiddle_slurm.unpickling import unpickler_for

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
    unpickler = unpickler_for(stream, invocations, extra)
    while stream.peek(1):  # type: ignore[attr-defined]
        try:
            yield unpickler.load()
        except ResultRejected:
            raise
        except (EOFError, pickle.UnpicklingError, struct.error, IndexError) as error:
            if stream.peek(1):  # type: ignore[attr-defined]
                raise ResultRejected("The results are not a valid pickle.", cause=error) from error
            records.truncated = True
            return
        except Exception as error:  # a hostile pickle may fail in any way a class can
            raise ResultRejected("The results could not be read.", cause=error) from error


def _take(record: Any, records: Records, extra: Collection[tuple[str, str]]) -> None:
    if type(record) is not tuple:  # a class of somebody's own may be a sequence, too
        record = None
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
        exception = unpickler_for(io.BytesIO(pickled), (), extra).load()
    except ResultRejected:
        # An honest exception of a class of the user's own; its text is brought home instead.
        return None
    except Exception as error:
        raise ResultRejected(
            "The exception in the results could not be read.", cause=error
        ) from error
    return exception if isinstance(exception, BaseException) else None

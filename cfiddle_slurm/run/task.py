"""What is to be executed, and how its results are read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.results.lines import read_lines
from cfiddle_slurm.results.records import Records, read_records


@dataclass(frozen=True)
class Task:
    """What is to be executed.

    Attributes:
        kind, entry, outputs: as in :class:`cfiddle_slurm.bundle.manifest.Manifest`.
        members: the bundle's files beside the manifest.
        invocations, extra: as in :func:`cfiddle_slurm.results.lines.read_lines` and
            :func:`cfiddle_slurm.results.records.read_records`.
        by_value: the classes and functions that travel by value. Pickled records refer to them by
            number, behind the invocations: what comes home of them is the caller's own.
    """

    kind: str
    entry: dict[str, Any]
    members: tuple[Member, ...]
    outputs: tuple[str, ...] = ()
    invocations: Sequence[Any] = ()
    extra: frozenset[tuple[str, str]] = frozenset()
    by_value: tuple[object, ...] = ()

    def read(self, streams: Iterable[BinaryIO]) -> Records:
        """Read what the task's processes recorded.

        Raises:
            ResultRejected: they hold anything but records.
        """
        if self.entry.get("lines"):
            return read_lines(streams, self.invocations, self.extra)
        return read_records(streams, (*self.invocations, *self.by_value), self.extra)

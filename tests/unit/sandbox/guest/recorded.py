"""Read back what the experiment's process has pickled."""

import io
import pickle
from typing import Any


class _Reader(pickle.Unpickler):
    """Loads a record, with what the caller knows in place of numbers."""

    def __init__(self, stream: io.BytesIO, known: list[object]) -> None:
        super().__init__(stream)
        self._known = known

    def persistent_load(self, pid: Any) -> Any:
        return self._known[pid]


def recorded(stream: io.BytesIO, *known: object) -> list[Any]:
    """The records, each of which is a pickle of its own."""
    stream.seek(0)
    found = []
    while stream.tell() < len(stream.getvalue()):
        found.append(_Reader(stream, list(known)).load())
    return found

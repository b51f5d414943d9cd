"""Bounds of memory, for code that reads what asks for much."""

import os
import pathlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def little_memory(room: int = 256 << 20) -> Iterator[None]:
    """Let this process grow by so many bytes only; a few bytes may ask for gigabytes."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)

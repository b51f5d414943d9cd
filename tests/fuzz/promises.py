"""What every reader of a stranger's bytes promises, and how it shows that a promise is broken."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cfiddle_slurm.errors import ResultRejected
from tests.unit.bounds import little_memory

SECONDS = 10.0
"""Of CPU time, for one input; while a fuzzer watches it, a reader is slow."""
_NO_READER_DOES = frozenset(
    (
        "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.kill",
        "os.link", "os.symlink", "os.chown", "os.putenv", "subprocess.Popen", "socket.connect",
        "socket.bind", "socket.getaddrinfo", "shutil.move", "shutil.copyfile", "pty.spawn",
        "signal.pthread_kill", "sys.setprofile", "sys.settrace", "urllib.Request",
    )
)  # fmt: skip
_watching = False


class Broken(Exception):
    """A promise is broken."""


def _watch(event: str, _: tuple[Any, ...]) -> None:
    if _watching and event in _NO_READER_DOES:
        raise Broken(f"a reader does what none may do: {event}")


sys.addaudithook(_watch)  # which takes effect between the two lines of bounded() only


@contextmanager
def bounded() -> Iterator[None]:
    """A reader is at work: it may not take much memory or time, nor do what no reader does."""
    global _watching
    began = time.process_time()
    with little_memory():
        _watching = True
        try:
            yield
        except ResultRejected as error:
            if isinstance(error.__cause__, MemoryError | Broken):
                raise error.__cause__ from error
            raise
        finally:
            _watching = False
    if time.process_time() - began > SECONDS:
        raise Broken("a reader takes too long")


def expect(promise: bool, otherwise: str) -> None:
    """Raise Broken unless a promise is kept."""
    if not promise:
        raise Broken(otherwise)

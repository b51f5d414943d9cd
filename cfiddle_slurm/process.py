"""The gateway through which this package starts programs: argument lists, limits, no shell."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cfiddle_slurm.printable import one_line

_MAX_OUTPUT = 16 << 20
_KILL_SECONDS = 5.0
_LAST_WORDS = 400


def last_words(text: str) -> str:
    """The end of what a program wrote, in one line that fits into a sentence."""
    line = one_line(text)
    if len(line) <= _LAST_WORDS:
        return line
    return f"... {line[-_LAST_WORDS:].partition(' ')[2] or line[-_LAST_WORDS:]}"


@dataclass(frozen=True)
class Completed:
    """A program that has ended: its arguments, exit status, and what it wrote, as text."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The end of what it had to say, in one line that fits into a sentence; may be empty."""
        return last_words(self.stderr.strip() or self.stdout)


class ProcessError(Exception):
    """A program could not do its work; the message is one sentence."""


class CommandMissing(ProcessError):
    """The program is not installed here, or may not be executed."""


class CommandTimeout(ProcessError):
    """The program took too long and was killed; ``stderr`` is what it had said until then."""

    def __init__(self, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.stderr = stderr


class CommandFailed(ProcessError):
    """The program ended with a non-zero exit status, which was not expected."""


def run(
    arguments: Sequence[str],
    *,
    timeout: float,
    input: bytes | IO[bytes] | None = None,  # noqa: A002 - as in subprocess
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run a program to its end, whatever its exit status.

    Args:
        arguments: program and arguments.
        timeout: seconds, after which the program and its children are killed.
        input: what it reads from its standard input, which is otherwise empty; or a stream for it,
            which is closed here, so that its writer notices when the program has ended.
        env: its whole environment; this process's own if None.
        cwd: its working directory.

    Raises:
        CommandMissing: there is no such program.
        CommandTimeout: it did not end in time.
        KeyboardInterrupt: after the program and its children were killed.
    """
    # Files instead of pipes: a program that prints without end cannot fill this process's memory.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        data, source = (input, None) if isinstance(input, bytes) else (None, input)
        stdin = subprocess.PIPE if data is not None else source or subprocess.DEVNULL
        child = start(arguments, stdin=stdin, stdout=out, stderr=err, env=env, cwd=cwd)
        try:
            if source is not None:
                source.close()
            child.communicate(data, timeout)
        except subprocess.TimeoutExpired as error:
            raise CommandTimeout(
                f"{arguments[0]} did not end within {timeout:g} seconds.", _text(err)
            ) from error
        finally:
            end_group(child)
        return Completed(tuple(arguments), child.returncode, _text(out), _text(err))


def check(arguments: Sequence[str], *, timeout: float, **options: Any) -> str:
    """As :func:`run`, for a program that is expected to succeed; returns its standard output.

    Raises:
        CommandFailed: its exit status was not zero; the message holds its last words.
    """
    done = run(arguments, timeout=timeout, **options)
    if done.status != 0:
        raise CommandFailed(
            f"{' '.join(arguments[:3])} failed with exit status {done.status}: "
            f"{done.last_words or 'it said nothing'}"
        )
    return done.stdout


def stream(
    arguments: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run a long-lasting program and hand on each line that it prints. Returns the exit status.

    Raises:
        CommandMissing, CommandTimeout: as :func:`run`.
    """
    child = start(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _signal_group(child, signal.SIGKILL)

    timer = threading.Timer(timeout, expire)
    timer.start()
    try:
        for line in child.stdout or ():
            on_line(line.decode(errors="replace").rstrip("\n"))
        child.wait()
    finally:
        timer.cancel()
        end_group(child)
    if expired.is_set():
        raise CommandTimeout(f"{arguments[0]} did not end within {timeout:g} seconds.")
    return child.returncode


def pipe(source: Sequence[str], sink: Sequence[str], *, timeout: float) -> Completed:
    """Run two programs, the first one's standard output being the second one's standard input.

    Args:
        timeout: seconds for both together.

    Returns:
        The second one, to its end; or the first one, if that is the one that failed.

    Raises:
        CommandMissing, CommandTimeout: as :func:`run`.
    """
    with tempfile.TemporaryFile() as words, started(source, stderr=words) as first:
        done = run(sink, timeout=timeout, input=first.stdout)
        if done.status != 0:
            return done
        try:
            status = first.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CommandTimeout(f"{source[0]} did not end when its reader had.") from error
        if status == 0:
            return done
        return Completed(tuple(source), status, done.stdout, _text(words))


@contextmanager
def started(arguments: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """As :func:`start`, for the time of a ``with`` block; its standard output is a pipe."""
    child = start(arguments, **{"stdout": subprocess.PIPE, **options})
    try:
        yield child
    finally:
        end_group(child)
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def start(
    arguments: Sequence[str],
    *,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program in a process group of its own and return at once.

    Raises:
        CommandMissing: there is no such program.
    """
    try:
        return subprocess.Popen(
            list(arguments),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            # Ctrl-C in a terminal goes to the whole foreground group; ending a child is our call.
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise CommandMissing(
            f"The program {arguments[0]!r} cannot be started: {error.strerror}."
        ) from error


def end_group(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child that :func:`start` started, with its children, if it still runs."""
    if child.poll() is None:
        _signal_group(child, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_SECONDS)


def _signal_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _text(stream_: IO[bytes]) -> str:
    stream_.seek(0)
    return stream_.read(_MAX_OUTPUT).decode(errors="replace")

"""The guest: takes one bundle, executes it, gives one result stream and one status back.

It is process 1 of the container (and a plain subprocess for ``scheduler="local"``). Bundle and
results travel as frames over stdin and stdout; stderr carries what the experiment prints. The
experiment itself is a child process: the guest survives its crash, names the cause and keeps the
results finished before.

Environment: ``CFIDDLE_GUEST_WORK`` (work directory, default /work), ``CFIDDLE_GUEST_CPU_SECONDS``.
"""

import contextlib
import ctypes
import errno
import io
import os
import resource
import signal
import stat
import time
from pathlib import Path
from typing import Any, BinaryIO

from cfiddle_slurm.bundle.archive import BundleError, Member, write_tar
from cfiddle_slurm.bundle.globs import find_outputs, fixed_folder
from cfiddle_slurm.bundle.layout import FILES, OUTPUTS, RESULTS
from cfiddle_slurm.bundle.manifest import Manifest, unpack_bundle
from cfiddle_slurm.sandbox import versions
from cfiddle_slurm.sandbox.guest import machine
from cfiddle_slurm.sandbox.guest.processes import (
    children,
    end_stragglers,
    execute,
    scratch_is_full,
)
from cfiddle_slurm.sandbox.protocol import (
    DATA,
    END,
    MAX_FRAME,
    PING,
    RESULT,
    STATUS,
    OutcomeKind,
    ProtocolError,
    read_frame,
    write_frame,
    write_json,
)
from cfiddle_slurm.sandbox.status import outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest, Outcome

DEFAULT_WORK = "/work"
MAX_BUNDLE_BYTES = 64 << 30
"""A bound against nonsense only: the real one is the size of the work directory's tmpfs."""
_stages: dict[str, float] = {}
"""When this process reached which stage of the run, on the monotonic clock."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36


class BundleStream(io.RawIOBase):
    """The bundle's bytes out of the frames on stdin."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._ended:
            frame = read_frame(self._stream)
            if frame is None or frame[0] not in (DATA, END):
                raise ProtocolError("The bundle's stream ended before the bundle.")
            self._ended = frame[0] == END
            self._rest = memoryview(frame[1])
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class ResultStream(io.RawIOBase):
    """Writes the result stream as frames."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        for start in range(0, len(view), MAX_FRAME):
            write_frame(self._stream, RESULT, bytes(view[start : start + MAX_FRAME]))
        return len(view)


def main() -> None:
    """Serve one bundle, then wait to be killed."""
    _stages["ready"] = time.monotonic()
    _harden()
    incoming, outgoing = _take_stdio()
    work = Path(os.environ.get("CFIDDLE_GUEST_WORK", DEFAULT_WORK))
    cpu_seconds = float(os.environ.get("CFIDDLE_GUEST_CPU_SECONDS") or 0) or None
    try:
        ended, run_seconds = serve(incoming, outgoing, work, cpu_seconds)
    except (BundleError, ProtocolError) as error:
        ended, run_seconds = outcome(OutcomeKind.GUEST_ERROR, str(error)), 0.0
    except OSError as error:
        # What did not fit has been removed again by now.
        full = error.errno == errno.ENOSPC or scratch_is_full(work)
        kind = OutcomeKind.SCRATCH if full else OutcomeKind.GUEST_ERROR
        ended = outcome(kind, f"The sandbox could not unpack or pack files: {error}.")
        run_seconds = 0.0
    write_json(outgoing, STATUS, status(ended, run_seconds))
    outgoing.flush()
    echo(incoming)


def echo(incoming: BinaryIO) -> None:
    """Until the other side hangs up, say on standard error what it wants to hear there.

    Nobody else speaks there any more, so it knows then that it has all that was printed.
    """
    with contextlib.suppress(ProtocolError):
        while (frame := read_frame(incoming)) is not None:
            if frame[0] == PING:
                os.write(2, frame[1])
    while incoming.read(4096):
        pass


def serve(
    incoming: BinaryIO, outgoing: BinaryIO, work: Path, cpu_seconds: float | None
) -> tuple["Outcome", float]:
    """Unpack the bundle, execute it, send the results.

    Returns:
        How the experiment ended, and the seconds it took.

    Raises:
        BundleError, ProtocolError: the bundle could not be unpacked.
        OSError: the bundle could not be unpacked, or the results not be packed.
    """
    manifest = unpack_bundle(
        io.BufferedReader(BundleStream(incoming), MAX_FRAME), work, max_bytes=MAX_BUNDLE_BYTES
    )
    _stages["unpacked"] = time.monotonic()
    mismatch = versions.mismatch(manifest.versions, versions.here())
    if mismatch:
        return outcome(OutcomeKind.VERSION_MISMATCH, mismatch), 0.0
    for folder in (FILES, RESULTS):
        (work / folder).mkdir(exist_ok=True)
    make_output_folders(work / FILES, manifest.outputs)
    before = signatures(work / FILES, manifest.outputs)
    started = time.monotonic()
    ended = execute(manifest, work, cpu_seconds)
    _stages["executed"] = time.monotonic()
    run_seconds = _stages["executed"] - started
    try:
        send_results(outgoing, manifest, work, before)
    except BundleError as error:
        if ended["kind"] == OutcomeKind.OK:
            ended = outcome(OutcomeKind.RESULT_SIZE, str(error))
    return ended, run_seconds


def _harden() -> None:
    libc = ctypes.CDLL(None)
    # The experiment has the same uid: a process that cannot be dumped cannot be traced by it,
    # and its descriptors cannot be opened through /proc (prctl(2), proc(5)).
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getpid() == 1:
        # Python's own handler would take this one from the experiment; the kernel keeps signals
        # without a handler from process 1 (pid_namespaces(7)).
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    else:
        # No container ends with us: we end what we started, on request and when nobody is left
        # to make one.
        signal.signal(signal.SIGTERM, _stop)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stop(number: int, _frame: object) -> None:
    for child in children():
        end_stragglers(child)
    os._exit(128 + number)


def _take_stdio() -> tuple[BinaryIO, BinaryIO]:
    """The frame streams, on descriptors that the experiment does not inherit."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def make_output_folders(files: Path, patterns: tuple[str, ...]) -> None:
    """Make the folders that output files are to lie in: a program seldom makes them itself."""
    for pattern in patterns:
        # Where an input file has that name, or no file can have it, the program finds the same.
        with contextlib.suppress(OSError):
            (files / fixed_folder(pattern)).mkdir(parents=True, exist_ok=True)


def signatures(files: Path, patterns: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """What tells a changed file from an unchanged one: inode, size in bytes, time in ns."""
    found = {}
    for name in find_outputs(files, patterns):
        entry = (files / name).lstat()
        found[name] = (entry.st_ino, entry.st_size, entry.st_mtime_ns)
    return found


def send_results(
    outgoing: BinaryIO, manifest: Manifest, work: Path, before: dict[str, tuple[int, int, int]]
) -> None:
    """Stream the result records, and the new or changed files that the manifest asks for."""
    records = [path for path in (work / RESULTS).iterdir() if path.name.isdecimal()]
    members = [
        Member(f"{RESULTS}/{path.name}", path)
        for path in sorted(records, key=lambda path: int(path.name))
        if stat.S_ISREG(path.lstat().st_mode)
    ]
    files = work / FILES
    after = signatures(files, manifest.outputs)
    changed = [name for name in after if before.get(name) != after[name]]
    members += [Member(f"{OUTPUTS}/{name}", files / name) for name in changed]
    stream = io.BufferedWriter(ResultStream(outgoing), MAX_FRAME)
    write_tar(stream, members)
    stream.flush()


def status(ended: "Outcome", run_seconds: float) -> "Guest":
    """The guest's final word."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "outcome": ended,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "max_rss_bytes": usage.ru_maxrss * 1024,  # kilobytes on Linux (getrusage(2))
        "run_seconds": run_seconds,
        "perf": machine.perf_availability(),
        **machine.machine(),
        "versions": versions.here(),
        "stages": _stages,
    }


if __name__ == "__main__":
    main()
    os._exit(0)  # the container's end is waited for, and there is nothing left to tidy up

"""The guest: takes one bundle, executes it, gives one result stream and one status back.

It is process 1 of the container (and a plain subprocess for ``scheduler="local"``). Bundle and
results travel as frames over stdin and stdout; stderr carries what the experiment prints. The
experiment itself is a child process: the guest survives its crash, names the cause and keeps the
results finished before.

Environment: ``CFIDDLE_GUEST_WORK`` (work directory, default /work), ``CFIDDLE_GUEST_CPU_SECONDS``.
"""

import ctypes
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from cfiddle_slurm._version import __version__
from cfiddle_slurm.bundle import (
    BundleError,
    Manifest,
    Member,
    find_files,
    unpack_bundle,
    write_tar,
)
from cfiddle_slurm.layout import DONE, FILES, MODULES, OUTPUTS, RESULTS
from cfiddle_slurm.sandbox import facts
from cfiddle_slurm.sandbox.lean import multiarch
from cfiddle_slurm.sandbox.protocol import (
    MAX_FRAME,
    PROTOCOL,
    OutcomeKind,
    ProtocolError,
    read_frame,
    write_frame,
    write_json,
)

DEFAULT_WORK = "/work"
MAX_BUNDLE_BYTES = 64 << 30
"""A bound against nonsense only: the real one is the size of the work directory's tmpfs."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_START = (
    "import sys; sys.path[:0] = sys.argv[2:3]; sys.path += sys.argv[3:]; "
    "from cfiddle_slurm.sandbox.experiment import main; main(sys.argv[1])"
)


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
            if frame is None or frame[0] not in (b"D", b"E"):
                raise ProtocolError("The bundle's stream ended before the bundle.")
            self._ended = frame[0] == b"E"
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
            write_frame(self._stream, b"R", bytes(view[start : start + MAX_FRAME]))
        return len(view)


@dataclass(frozen=True)
class Ending:
    """How the experiment ended, as the guest saw it."""

    kind: OutcomeKind
    message: str = ""
    signal: str | None = None
    code: int | None = None


def main() -> None:
    """Serve one bundle, then wait to be killed."""
    _harden()
    incoming, outgoing = _take_stdio()
    work = Path(os.environ.get("CFIDDLE_GUEST_WORK", DEFAULT_WORK))
    cpu_seconds = float(os.environ.get("CFIDDLE_GUEST_CPU_SECONDS") or 0) or None
    try:
        ending, run_seconds = serve(incoming, outgoing, work, cpu_seconds)
    except (BundleError, ProtocolError) as error:
        ending, run_seconds = Ending(OutcomeKind.GUEST_ERROR, str(error)), 0.0
    except OSError as error:
        kind = OutcomeKind.SCRATCH if scratch_is_full(work) else OutcomeKind.GUEST_ERROR
        ending = Ending(kind, f"The sandbox could not unpack or pack files: {error}.")
        run_seconds = 0.0
    write_json(outgoing, b"S", status(ending, run_seconds))
    outgoing.flush()
    while incoming.read(4096):
        pass


def serve(
    incoming: BinaryIO, outgoing: BinaryIO, work: Path, cpu_seconds: float | None
) -> tuple[Ending, float]:
    """Unpack the bundle, execute it, send the results.

    Returns:
        How the experiment ended, and the seconds it took.

    Raises:
        BundleError, ProtocolError, OSError: the bundle could not be unpacked or the results not
            be packed.
    """
    manifest = unpack_bundle(
        io.BufferedReader(BundleStream(incoming), MAX_FRAME), work, max_bytes=MAX_BUNDLE_BYTES
    )
    mismatch = version_mismatch(manifest.versions, versions())
    if mismatch:
        return Ending(OutcomeKind.VERSION_MISMATCH, mismatch), 0.0
    for folder in (FILES, RESULTS):
        (work / folder).mkdir(exist_ok=True)
    before = signatures(work / FILES, manifest.outputs)
    started = time.monotonic()
    ending = execute(manifest, work, cpu_seconds)
    run_seconds = time.monotonic() - started
    send_results(outgoing, manifest, work, before)
    return ending, run_seconds


def _harden() -> None:
    libc = ctypes.CDLL(None)
    # The experiment has the same uid: a process that cannot be dumped cannot be traced by it,
    # and its descriptors cannot be opened through /proc (prctl(2), proc(5)).
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getpid() != 1:
        # No container ends with us: we end what we started, on request and when nobody is left
        # to make one.
        signal.signal(signal.SIGTERM, _stop)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stop(number: int, _frame: object) -> None:
    for child in _children():
        _end_stragglers(child)
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


def versions() -> dict[str, str]:
    """The versions that must agree between notebook and sandbox."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "cfiddle": installed_version("cfiddle"),
        "cfiddle_slurm": __version__,
    }


def installed_version(package: str) -> str:
    """A package's version, from the name of its metadata folder.

    importlib.metadata would know too, at 20 ms for its import.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return "not installed"
    site = Path(spec.origin).parent.parent
    for folder in site.glob(f"{package}-*.dist-info"):
        return folder.name[len(package) + 1 : -len(".dist-info")]
    return "not known"


def version_mismatch(theirs: dict[str, str], ours: dict[str, str]) -> str | None:
    """One sentence about the versions that differ, or None."""
    differing = [
        f"{name} {theirs.get(name)} in the notebook, {ours[name]} in the sandbox"
        for name in ours
        if theirs.get(name) != ours[name]
    ]
    return f"The versions do not match: {'; '.join(differing)}." if differing else None


def execute(manifest: Manifest, work: Path, cpu_seconds: float | None) -> Ending:
    """Run the experiment's processes one after another, until the first that ends badly."""
    ending = Ending(OutcomeKind.OK)
    for number, group in enumerate(groups_of(manifest)):
        plan = {
            "kind": manifest.kind,
            "entry": manifest.entry,
            "work": str(work),
            "cpu_seconds": cpu_seconds,
            "results": str(work / RESULTS / str(number)),
            "invocations": group["invocations"],
        }
        plan_file = work / f"plan-{number}.json"
        plan_file.write_text(json.dumps(plan))
        environment = experiment_environment(manifest.environment, group["environment"], work)
        ending = _run_experiment(plan_file, plan, environment, work)
        if ending.kind is not OutcomeKind.OK:
            break
    if scratch_is_full(work) and ending.kind in (OutcomeKind.OK, OutcomeKind.EXITED):
        return Ending(OutcomeKind.SCRATCH, "The experiment filled its scratch space.")
    return ending


def groups_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The processes to start: one per distinct set of run options, in order of appearance.

    Raises:
        BundleError: the manifest's entry is not what its kind asks for.
    """
    if manifest.kind == "call":
        return [{"environment": {}, "invocations": []}]
    groups = manifest.entry.get("groups")
    if manifest.kind != "cfiddle" or not isinstance(groups, list):
        raise BundleError(f"The bundle asks for {manifest.kind!r}, which this guest does not know.")
    if not all(map(_is_group, groups)):
        raise BundleError("The bundle has a group of invocations that cannot be executed.")
    return groups


def _is_group(group: object) -> bool:
    match group:
        case {"environment": dict() as environment, "invocations": list() as numbers}:
            return all(
                isinstance(name, str) and isinstance(value, str)
                and name and "=" not in name and "\0" not in name + value
                for name, value in environment.items()
            ) and all(isinstance(number, int) for number in numbers)  # fmt: skip
    return False


def experiment_environment(
    travelled: dict[str, str], run_options: dict[str, str], work: Path
) -> dict[str, str]:
    """The experiment's environment: fixed basics, what travelled, run options last.

    Libraries read some variables when they are loaded, so they are set before the process starts.
    """
    library_path = str(libcfiddle_directory())
    environment = {
        # A virtual environment's programs (cfiddle-run) first, where the guest runs in one.
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "LANG": "C.UTF-8",
        # For Python programs that the experiment starts itself, such as cfiddle-run.
        "PYTHONPATH": str(work / MODULES),
        **travelled,
        **run_options,
    }
    chosen = environment.get("LD_LIBRARY_PATH")
    environment["LD_LIBRARY_PATH"] = f"{chosen}:{library_path}" if chosen else library_path
    return environment


def libcfiddle_directory() -> Path:
    """Where libcfiddle.so lies; the loader must be told before the process starts."""
    spec = find_spec("cfiddle")
    if spec is None or spec.origin is None:
        raise BundleError("CFiddle is not installed in the sandbox.")
    return Path(spec.origin).parent / "resources" / "libcfiddle" / "build" / multiarch()


def _run_experiment(
    plan_file: Path, plan: dict[str, Any], environment: dict[str, str], work: Path
) -> Ending:
    lean = plan["kind"] == "cfiddle" and not plan["entry"]["full"]
    flags = ["-I", "-S"] if lean else ["-I"]
    process = subprocess.Popen(
        [sys.executable, *flags, "-c", _START, str(plan_file), *_import_path(lean=lean)],
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=work,
        start_new_session=True,
    )
    _, wait_status, _ = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)
    _end_stragglers(process.pid)
    return judge(process.returncode, done=Path(f"{plan['results']}.{DONE}").exists())


def _import_path(*, lean: bool) -> list[str]:
    """Where the experiment's process finds this package and CFiddle, and else what we find."""
    places = [str(Path(__file__).parents[2])]
    spec = find_spec("cfiddle")
    if spec is not None and spec.origin is not None:
        places.append(str(Path(spec.origin).parent.parent))
    return places if lean else [*places, *sys.path]


def judge(returncode: int, *, done: bool) -> Ending:
    """What the way a process ended means.

    Args:
        returncode: as :class:`subprocess.Popen` gives it: negative for a signal.
        done: whether the process said that it had come to its own end.
    """
    if returncode == -signal.SIGXCPU:
        return Ending(OutcomeKind.CPU_TIME, "The experiment used up its CPU time.", "SIGXCPU")
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        return Ending(OutcomeKind.SIGNAL, f"The experiment was ended by {name}.", name)
    if returncode == 0 and done:
        return Ending(OutcomeKind.OK)
    return Ending(OutcomeKind.EXITED, f"The experiment called exit({returncode}).", code=returncode)


def _end_stragglers(session: int) -> None:
    """Kill whatever the experiment left running, and reap it so that its CPU time counts."""
    while True:
        # Again after every death: a daemonised process becomes our child only when its parent
        # dies, and a process may fork while it is being killed.
        if os.getpid() == 1:
            _signal_quietly(-1)
        else:
            _signal_quietly(-session)
            for child in _children():
                _signal_quietly(child)
        try:
            os.wait()
        except ChildProcessError:
            return


def _signal_quietly(target: int) -> None:
    try:
        os.kill(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _children() -> Iterator[int]:
    """This process's children: a subreaper inherits orphans (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def scratch_is_full(work: Path) -> bool:
    """Whether a temporary file system has no room or no inode left."""
    for place in (work, Path("/tmp")):  # noqa: S108 - the container's own
        room = os.statvfs(place)
        if room.f_bavail == 0 or (room.f_files and room.f_favail == 0):
            return True
    return False


def signatures(files: Path, patterns: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """What tells a changed file from an unchanged one: inode, size in bytes, time in ns."""
    found = {}
    for name in find_files(files, patterns):
        facts_of = (files / name).lstat()
        found[name] = (facts_of.st_ino, facts_of.st_size, facts_of.st_mtime_ns)
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


def status(ending: Ending, run_seconds: float) -> dict[str, Any]:
    """The guest's final word."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "protocol": PROTOCOL,
        "outcome": {
            "kind": ending.kind.value,
            "message": ending.message,
            "signal": ending.signal,
            "code": ending.code,
        },
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "max_rss_bytes": usage.ru_maxrss * 1024,  # kilobytes on Linux (getrusage(2))
        "run_seconds": run_seconds,
        "perf": facts.perf_availability(),
        **facts.machine(),
        "versions": versions(),
    }


if __name__ == "__main__":
    main()

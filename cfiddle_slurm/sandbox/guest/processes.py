"""The experiment's processes: start them one after another, see how they end, leave none behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.archive import BundleError
from cfiddle_slurm.bundle.layout import DONE, MODULES, PROGRAMS, RESULTS
from cfiddle_slurm.bundle.manifest import Manifest, is_variable
from cfiddle_slurm.sandbox.guest import cfiddle_run
from cfiddle_slurm.sandbox.guest.lean import multiarch
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.sandbox.status import outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Outcome

_FIND_US = "import sys; sys.path[:0] = sys.argv[2:3]; sys.path += sys.argv[3:]; "
_EXPERIMENT = (
    f"{_FIND_US}from cfiddle_slurm.sandbox.guest.experiment import main; main(sys.argv[1])"
)
_NURSERY = f"{_FIND_US}from cfiddle_slurm.sandbox.guest.nursery import serve; serve(sys.argv[1])"
_ROUNDS = 20
_READ_EARLY = ("LD_", "GLIBC_", "MALLOC_", "PYTHON", "LANG", "LC_")
"""Variables that begin so are read when a process starts, not when a library is loaded."""


def execute(manifest: Manifest, work: Path, cpu_seconds: float | None) -> "Outcome":
    """Run the experiment's processes one after another, until the first that ends badly."""
    ended = outcome(OutcomeKind.OK)
    groups = groups_of(manifest)
    if manifest.kind == "call":
        cfiddle_run.make_command(work / PROGRAMS)
    many = len(groups) > 1 and all(map(_can_be_forked, groups))
    nursery = Nursery(manifest, work) if many else None
    for number, group in enumerate(groups):
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
        ended = _run_experiment(plan_file, plan, environment, work, nursery)
        if nursery is not None and not nursery.end_stragglers():
            nursery.close()
            nursery = None
        if ended["kind"] != OutcomeKind.OK:
            break
    if nursery is not None:
        nursery.close()
    if scratch_is_full(work) and ended["kind"] in (OutcomeKind.OK, OutcomeKind.EXITED):
        return outcome(OutcomeKind.SCRATCH, "The experiment filled its scratch space.")
    return ended


def _can_be_forked(group: dict[str, Any]) -> bool:
    return not any(name.startswith(_READ_EARLY) for name in group["environment"])


def groups_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The processes to start: one per distinct set of run options, in order of appearance.

    Raises:
        BundleError: the manifest's entry is not what its kind asks for.
    """
    if not isinstance(manifest.entry.get("full"), bool):
        raise BundleError("The bundle does not say whether it needs all of CFiddle.")
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
            return all(is_variable(*item) for item in environment.items()) and all(
                isinstance(number, int) for number in numbers
            )
    return False


def experiment_environment(
    travelled: dict[str, str], run_options: dict[str, str], work: Path
) -> dict[str, str]:
    """The experiment's environment: fixed basics, what travelled, run options last.

    Libraries read some variables when they are loaded, so they are set before the process starts.
    """
    library_path = str(libcfiddle_directory())
    environment = {
        # Ours, and those of a virtual environment, where the guest runs in one.
        "PATH": f"{work / PROGRAMS}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
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


class Nursery:
    """A warm process that forks the experiment's (:mod:`cfiddle_slurm.sandbox.guest.nursery`).

    Args:
        manifest: the run's.
        work: the work directory.
    """

    def __init__(self, manifest: Manifest, work: Path) -> None:
        orders, write_orders = os.pipe()
        self._answers, answers = os.pipe()
        self._orders = os.fdopen(write_orders, "wb")
        how = json.dumps([orders, answers, manifest.entry["full"]])
        environment = experiment_environment(manifest.environment, {}, work)
        lean = not manifest.entry["full"]
        self._process = _start(_NURSERY, how, environment, work, lean=lean, fds=(orders, answers))
        os.close(orders)
        os.close(answers)

    def run(self, plan_file: Path, environment: dict[str, str]) -> int:
        """Have a plan carried out; how its process ended, as :func:`outcome_of` takes it."""
        order = json.dumps({"plan": str(plan_file), "environment": environment})
        with contextlib.suppress(BrokenPipeError):
            self._orders.write(f"{order}\n".encode())
            self._orders.flush()
        answer = os.read(self._answers, 16)
        if answer:
            return os.waitstatus_to_exitcode(int(answer))
        return self._process.wait()  # the experiment has the same uid, and may have killed it

    def end_stragglers(self) -> bool:
        """Kill whatever else is left running; whether the nursery itself still is."""
        for _ in range(_ROUNDS):
            left = [pid for pid in _all_processes() if pid != self._process.pid]
            if not left:
                return self._process.poll() is None
            for pid in left:
                _signal_quietly(pid)
            for child in children():
                if child != self._process.pid:
                    os.waitpid(child, 0)
        end_stragglers(self._process.pid)  # they fork faster than one after another can be killed
        return False

    def close(self) -> None:
        """End it; the times of its processes count from then on (getrusage(2))."""
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        os.close(self._answers)
        self._process.wait()


def _all_processes() -> list[int]:
    """All of the container, or else what we have started, or inherited, ourselves; without us."""
    if os.getpid() != 1:
        return list(children())
    return [int(one) for one in os.listdir("/proc") if one.isdecimal() and one != "1"]


def _start(
    program: str,
    argument: str,
    environment: dict[str, str],
    work: Path,
    *,
    lean: bool,
    fds: tuple[int, ...] = (),
) -> "subprocess.Popen[bytes]":
    flags = ["-I", "-S"] if lean else ["-I"]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", program, argument, *_import_path(lean=lean)],
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=work,
        start_new_session=True,
        pass_fds=fds,
    )


def _run_experiment(
    plan_file: Path,
    plan: dict[str, Any],
    environment: dict[str, str],
    work: Path,
    nursery: Nursery | None,
) -> "Outcome":
    if nursery is not None:
        returncode = nursery.run(plan_file, environment)
    else:
        lean = plan["kind"] == "cfiddle" and not plan["entry"]["full"]
        process = _start(_EXPERIMENT, str(plan_file), environment, work, lean=lean)
        _, wait_status, _ = os.wait4(process.pid, 0)
        process.returncode = returncode = os.waitstatus_to_exitcode(wait_status)
        end_stragglers(process.pid)
    return outcome_of(returncode, done=Path(f"{plan['results']}.{DONE}").exists())


def _import_path(*, lean: bool) -> list[str]:
    """Where the experiment's process finds this package and CFiddle, and else what we find."""
    places = [str(Path(__file__).parents[3])]
    spec = find_spec("cfiddle")
    if spec is not None and spec.origin is not None:
        places.append(str(Path(spec.origin).parent.parent))
    return places if lean else [*places, *sys.path]


def outcome_of(returncode: int, *, done: bool) -> "Outcome":
    """What the way a process ended means.

    Args:
        returncode: as :class:`subprocess.Popen` gives it: negative for a signal.
        done: whether the process said that it had come to its own end.
    """
    if returncode == -signal.SIGXCPU:
        message = "The experiment used up its CPU time (the times of all its threads add up)."
        return outcome(OutcomeKind.CPU_TIME, message, "SIGXCPU")
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        return outcome(OutcomeKind.SIGNAL, f"The experiment was ended by {name}.", name)
    if returncode == 0 and done:
        return outcome(OutcomeKind.OK)
    message = f"The experiment called exit({returncode})."
    return outcome(OutcomeKind.EXITED, message, code=returncode)


def end_stragglers(session: int) -> None:
    """Kill whatever the experiment left running, and reap it so that its CPU time counts."""
    while True:
        # Again after every death: a daemonised process becomes our child only when its parent
        # dies, and a process may fork while it is being killed.
        if os.getpid() == 1:
            _signal_quietly(-1)
        else:
            _signal_quietly(-session)
            for child in children():
                _signal_quietly(child)
        try:
            os.wait()
        except ChildProcessError:
            return


def _signal_quietly(target: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(target, signal.SIGKILL)


def children() -> Iterator[int]:
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

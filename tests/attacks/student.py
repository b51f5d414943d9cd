"""What a student can do on the user node beside calling CFiddle: the tools of the attacks there."""

import contextlib
import importlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cfiddle

import cfiddle_slurm
from cfiddle_slurm import errors
from tests.attacks.sources import FAILING, FORGING, HONEST, OWN_RUNNER, SCRIPT

ROOT = Path(__file__).parents[2]
JOBS = Path.home() / ".cfiddle-slurm" / "jobs"
SECONDS = 60.0
END_OF_ARCHIVE = bytes(2 * tarfile.BLOCKSIZE)


def member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    size: int | None = None,
    **extended: str,
) -> bytes:
    """One member of an archive, of any name and kind.

    Args:
        size: what its header claims, when that is not true.
        extended: what an extended header says of it, with ``_`` for ``.`` in the keywords.
    """
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(content) if size is None else size
    info.pax_headers = {key.replace("_", "."): value for key, value in extended.items()}
    header = info.tobuf(tarfile.PAX_FORMAT if extended else tarfile.GNU_FORMAT)
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


class Student:
    """An ordinary account on the user node.

    Args:
        folder: its working directory, removed after the attack.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(
        self, *words: str, seconds: float = SECONDS, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command with more variables in its environment; what it printed and its status."""
        done = subprocess.run(
            words,
            env={**os.environ, **variables},
            timeout=seconds,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        print(f"$ {shlex.join(words)[:200]} -> {done.returncode} {done.stderr.strip()[-300:]}")
        return done

    def job_name(self) -> str:
        """A name that the cluster accepts."""
        return f"cfiddle-{secrets.token_hex(8)}"

    def on_worker(self, program: str | Path, *words: str, seconds: float = SECONDS) -> str:
        """What a Python program, text or file, prints in an allocation of its own on a worker."""
        if isinstance(program, str):
            file = self.folder / f"program-{secrets.token_hex(4)}.py"
            file.write_text(program)
        else:
            file = program
        done = self.command(
            "srun", f"--job-name={self.job_name()}", "--input=none", f"--chdir={self.folder}",
            "--time=2", "python3", str(file), *words, seconds=seconds, PYTHONPATH=str(ROOT),
        )  # fmt: skip
        return done.stdout

    def good_bundle(self, source: str = FAILING) -> dict[str, bytes]:
        """The files that a run of this package sends, by their names in the bundle.

        The experiment ends with exit status 3, after as many seconds as its file ``files/seconds``
        says, which is not there as yet.

        Args:
            source: of another experiment, which must end its process with a status, too.
        """
        with cfiddle.cfiddle_config():
            cfiddle_slurm.configure(scheduler="slurm", show_output=False)
            try:
                cfiddle.run(cfiddle.build(cfiddle.code(source)), "attack", cfiddle.arg_map(n=1))
            except errors.Exited as error:
                kept = JOBS / str(error.run_id) / "bundle.tar"
        with tarfile.open(kept) as tar:
            return {
                info.name: file.read()
                for info in tar
                if (file := tar.extractfile(info)) is not None
            }

    def pack(self, files: dict[str, bytes], *more: bytes) -> bytes:
        """A plain bundle of these files, and of more members, which may be anything."""
        plain = [member(name, content) for name, content in files.items()]
        return b"".join([*plain, *more, END_OF_ARCHIVE])

    def job_directory(self, bundle: bytes | None, **request: Any) -> Path:
        """A job directory with any bundle and any request, ready to be submitted."""
        folder = JOBS / secrets.token_hex(8)
        folder.mkdir(mode=0o700, parents=True)
        if bundle is not None:
            (folder / "bundle.tar").write_bytes(bundle)
        question = {"protocol": 1, "run_id": folder.name, "image": None, "wall_seconds": 30}
        question |= {"cpu_seconds": None, "memory_bytes": None, **request}
        (folder / "request.json").write_text(json.dumps(question))
        (folder / "job.sh").write_text(SCRIPT.format(folder=shlex.quote(str(folder))))
        return folder

    def submit(self, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
        """Submit the job script of a job directory, as the package would."""
        return self.command(
            "sbatch", "--parsable", "--export=NIL", "--no-requeue", "--nodes=1",
            f"--job-name=cfiddle-{folder.name}", f"--chdir={folder}", "--output=slurm.log",
            *options, str(folder / "job.sh"),
        )  # fmt: skip

    def run_bundle(self, bundle: bytes | None, **request: Any) -> dict[str, Any]:
        """Submit a bundle without the package's own checks; the worker's report of it."""
        folder = self.job_directory(bundle, **request)
        done = self.submit(folder)
        if done.returncode != 0:
            return {"outcome": {"kind": "not submitted", "message": done.stderr}}
        return self.report(folder)

    def run_directory(self, folder: Path, *options: str) -> dict[str, Any]:
        """Submit a job directory, and remove it; the worker's report, and what was ``printed``."""
        done = self.submit(folder, *options)
        if done.returncode != 0:
            return {"outcome": {"kind": "not submitted", "message": done.stderr}}
        return self.take_home(folder)

    def take_home(self, folder: Path, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for the run of a job directory, and remove it; as :meth:`run_directory`."""
        report = self.report(folder, seconds)
        output = folder / "output.log"
        if output.is_file() and not output.is_symlink():
            report["printed"] = output.read_text(errors="replace")
        shutil.rmtree(folder)
        return report

    def not_refused(
        self,
        ways: Mapping[str, bytes | Path],
        *kinds: str,
        sentence: str = r".{20}",
        **request: Any,
    ) -> list[str]:
        """Run bundles, one after another; which of them did not end as they must.

        Args:
            ways: bundles, or job directories, by what is wrong with them.
            kinds: how each must end; as a rule the guest refuses it.
            sentence: a regex for what is said of the reason.
        """
        wrong = []
        for what, way in ways.items():
            folder = way if isinstance(way, Path) else self.job_directory(way, **request)
            said = self.run_directory(folder).get("outcome", {})
            kind, message = said.get("kind"), str(said.get("message"))
            print(f"{what}: {kind}: {message[:300]}")
            clear = re.search(sentence, message) and "without a word" not in message
            if kind not in (kinds or ("guest_error",)) or not clear:
                wrong.append(f"{what}: {said}")
        return wrong

    def is_over(self, job_id: str, seconds: float = SECONDS) -> bool:
        """Whether Slurm has nothing left of a job, within some seconds."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            left = self.command("squeue", "--noheader", f"--jobs={job_id}", "--format=%T")
            if not left.stdout.strip():
                return True
            time.sleep(0.3)
        return False

    def report(self, folder: Path, seconds: float = SECONDS) -> dict[str, Any]:
        """The report of a job directory's run, once it is there; ``{}`` if it does not come."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if (folder / "report.json").exists():
                report: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
                return report
            time.sleep(0.1)
        return {}

    def notebook(self, source: str, runner: type | None = None, **settings: Any) -> str:
        """What ``cfiddle.run()`` of an experiment says: its error with the class's name, or that
        the results were taken.

        Args:
            runner: a Runner of its own.
        """
        with cfiddle.cfiddle_config(**({"Runner_type": runner} if runner else {})):
            cfiddle_slurm.configure(scheduler="slurm", show_output=False, **settings)
            try:
                cfiddle.run(cfiddle.build(cfiddle.code(source)), "attack", cfiddle.arg_map(n=1))
            except cfiddle.CFiddleException as error:
                return f"{type(error).__name__}: {error}"
        return "taken"

    def delegated(self, target: Any, method: str, *arguments: Any, **settings: Any) -> str:
        """What the delegate says of a call: its error with the class's name, or what came back."""
        delegate = cfiddle_slurm.SlurmSandboxDelegate(
            scheduler="slurm", show_output=False, **settings
        )
        try:
            value = delegate.invoke(target, method, *arguments)
        except Exception as error:  # the method's own is raised here, whatever it is
            return f"{type(error).__name__}: {error}"
        return f"taken: {type(value).__name__}"

    def not_loaded(self, ways: Mapping[str, bytes], sentence: str = r".{20}") -> list[str]:
        """Have experiments write pickles in place of their records; those that were not rejected.

        Their Runner is one of the student's own, since no others have pickles.

        Args:
            ways: pickles by what is wrong with them. If they get a command executed, it is
                ``touch executed``.
            sentence: a regex for what is said of the reason.
        """
        (self.folder / "own_runner.py").write_text(OWN_RUNNER)
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        return self.not_taken(ways, sentence, importlib.import_module("own_runner").Own)

    def not_taken(
        self, ways: Mapping[str, bytes], sentence: str = r".{20}", runner: type | None = None
    ) -> list[str]:
        """As :meth:`not_loaded`; what they write are lines, unless there is a Runner of its own."""
        wrong = []
        for what, records in ways.items():
            Path("records").write_bytes(records)
            said = self.notebook(FORGING, runner, input_files=["records"])
            print(f"{what}: {said[:300]}")
            if not re.match(f"ResultRejected: .*{sentence}", said):
                wrong.append(f"{what}: {said}")
            if Path("executed").exists():
                wrong.append(f"{what}: it was executed")
                Path("executed").unlink()
        return wrong

    @contextlib.contextmanager
    def in_place_of_the_worker(self, report: bytes, result: bytes | None = None) -> Iterator[Path]:
        """Where these files are found in each job directory, and the worker's own never are.

        Yields:
            The jobs directory to be used.
        """
        place, stop = self.folder / secrets.token_hex(4), threading.Event()
        place.mkdir()
        # A worker that finds a run started already leaves it alone.
        forger = threading.Thread(target=_forge, args=(place, report, result, stop), daemon=True)
        forger.start()
        try:
            yield place
        finally:
            stop.set()
            forger.join()

    def forged(self, report: bytes, result: bytes | None = None, **settings: Any) -> str:
        """What the notebook says to such files; as :meth:`notebook`."""
        with self.in_place_of_the_worker(report, result) as place:
            return self.notebook(HONEST, jobs_directory=place, **settings)


def _forge(place: Path, report: bytes, result: bytes | None, stop: threading.Event) -> None:
    while not stop.wait(0.002):
        for folder in place.iterdir():
            if not (folder / "request.json").exists() or (folder / "started.json").exists():
                continue
            (folder / "started.json").touch()
            if result is not None:
                (folder / "result.tar").write_bytes(result)
            (folder / "report.part").write_bytes(report)
            (folder / "report.part").rename(folder / "report.json")

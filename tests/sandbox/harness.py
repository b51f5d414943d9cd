"""A real sandboxd for tests, bundles for it, and the real client to talk to it."""

import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cfiddle_slurm import __version__
from cfiddle_slurm.bundle.archive import Member, write_tar
from cfiddle_slurm.bundle.manifest import Manifest
from cfiddle_slurm.sandbox.client import __main__ as client
from cfiddle_slurm.sandbox.daemon.engine import ENGINE_URL, Engine, EngineAddress
from cfiddle_slurm.sandbox.protocol import SOCKET_VARIABLE
from tests.patience import wait_until

HERE = Path(__file__).parent
SECCOMP = HERE.parents[1] / "sandbox" / "seccomp.json"
IMAGE = "cfiddle-sandbox:latest"
SANDBOX_VERSIONS = {"python": "3.13", "cfiddle": "0.6.1", "cfiddle_slurm": __version__}
POLICY = """
images = ["cfiddle-sandbox:latest"]
memory = "256MiB"
processes = 100
wall_seconds = 30
cpu_seconds = 30
work_bytes = "100MiB"
work_inodes = 5000
result_bytes = "20MiB"
bundle_bytes = "64MiB"
busy_wait_seconds = 15
progress_seconds = 2
"""


@dataclass
class Job:
    """A job directory and the client that serves it."""

    folder: Path
    job_id: str
    run_id: str
    process: subprocess.Popen[bytes] | None = None

    def report(self, seconds: float = 60) -> dict[str, Any]:
        """Wait for the client; what it reported."""
        assert self.process is not None
        self.process.wait(seconds)
        report = json.loads((self.folder / "report.json").read_text())
        assert isinstance(report, dict)
        return report

    def kind(self) -> str:
        """The outcome's kind, once the client is done."""
        return str(self.report()["outcome"]["kind"])

    @property
    def output(self) -> str:
        """What the experiment printed."""
        return (self.folder / "output.log").read_text()


class Sandboxd:
    """A real daemon in a process of its own, with a socket, registry and label of its own.

    Args:
        program: the module that is executed, and what comes before sandboxd's own arguments.
    """

    def __init__(
        self,
        folder: Path,
        policy: str = POLICY,
        engine: str | None = None,
        program: Sequence[str] = ("cfiddle_slurm.sandbox.daemon",),
    ) -> None:
        self.folder = folder
        self.instance = f"test-{os.getpid()}-{os.urandom(4).hex()}"
        self.jobs = folder / "jobs"
        self.socket = folder / "socket" / "sandboxd.sock"
        self._policy = folder / "sandbox.toml"
        self._engine = engine
        self._program = program
        self.real_engine = ENGINE_URL
        """The engine itself, where sandboxd was told of one that stands in its place."""
        self._numbers = iter(range(1, 10_000))
        self.log = folder / "sandboxd.log"
        folder.mkdir(exist_ok=True)
        for directory in (self.jobs, self.socket.parent):
            directory.mkdir(parents=True, mode=0o755)
        self._policy.write_text(policy)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sandboxd":
        return self

    def __exit__(self, *_: object) -> None:
        self.clean_up()

    def start(self) -> None:
        """Start it and wait until it accepts."""
        arguments = [sys.executable, "-m", *self._program]
        arguments += ["--socket", str(self.socket), "--jobs", str(self.jobs)]
        arguments += ["--policy", str(self._policy), "--owner", str(os.geteuid())]
        arguments += ["--instance", self.instance, "--seccomp", str(SECCOMP)]
        if self._engine:
            arguments += ["--engine", self._engine]
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(arguments, stderr=log, stdout=log)
        ready = wait_until(lambda: b"ready" in self.log.read_bytes()[before:], 60)
        assert ready, self.log.read_text()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def word(self) -> str:
        """What it says of itself: ``ready``, or a cause; nothing where it says nothing."""
        file = self.socket.with_name("state")
        return file.read_text().strip() if file.exists() else ""

    def containers(self) -> list[str]:
        """Ids of the containers it has, or left behind."""
        engine = Engine(EngineAddress(self.real_engine, self.instance))
        try:
            return engine.leftovers()
        finally:
            engine.close()

    def clean_up(self) -> None:
        """End it, however the test went, and remove what is left, by label."""
        if self.running:
            self.stop(signal.SIGKILL)
        engine = Engine(EngineAddress(self.real_engine, self.instance))
        for container in engine.leftovers():
            engine.remove(container)
        engine.close()

    def register(self, job_id: str, uid: int | None = None) -> None:
        """What the Prolog does."""
        temporary = self.jobs / f".{job_id}"
        temporary.write_text(json.dumps({"uid": os.geteuid() if uid is None else uid}))
        temporary.rename(self.jobs / job_id)

    def unregister(self, job_id: str) -> None:
        """What the Epilog does first."""
        (self.jobs / job_id).unlink()

    def job(self, members: Sequence[Member], *, register: bool = True, **request: Any) -> Job:
        """A job directory with a bundle and a request."""
        job_id, run_id = str(next(self._numbers)), os.urandom(8).hex()
        folder = self.folder / f"job {job_id}"
        folder.mkdir()
        with (folder / "bundle.tar").open("wb") as stream:
            write_tar(stream, members)
        question = {"protocol": 1, "run_id": run_id, "image": None, "wall_seconds": None}
        question |= {"cpu_seconds": None, "memory_bytes": None, **request}
        (folder / "request.json").write_text(json.dumps(question))
        if register:
            self.register(job_id)
        return Job(folder, job_id, run_id)

    def environment(self, job_id: str) -> dict[str, str]:
        """The client's, as Slurm would set it."""
        return {**os.environ, SOCKET_VARIABLE: str(self.socket), "SLURM_JOB_ID": job_id}

    def submit(self, job: Job, job_id: str | None = None) -> Job:
        """Start the client for a job."""
        command = [sys.executable, "-I", "-S", client.__file__, "run", str(job.folder)]
        environment = self.environment(job_id or job.job_id)
        job.process = subprocess.Popen(command, env=environment)
        return job

    def run(self, members: Sequence[Member], **request: Any) -> Job:
        """Have a bundle executed."""
        return self.submit(self.job(members, **request))

    def run_sleeping(self, experiments: "Experiments") -> Job:
        """A run that has begun and would take a long time."""
        job = self.run(experiments.bundle("sleep_for", 60, name="seconds"))
        log = job.folder / "output.log"
        assert wait_until(lambda: log.exists() and log.stat().st_size > 0, 10)
        assert len(self.containers()) == 1
        return job

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the client with other arguments."""
        return subprocess.run(
            [sys.executable, "-I", "-S", client.__file__, *words],
            env=self.environment("1"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


class Experiments:
    """Bundles that call functions of attacks.cpp through CFiddle."""

    def __init__(self, folder: Path) -> None:
        import cfiddle
        from cfiddle.config import peek_config
        from cfiddle.Runner import InvocationDescription, Runner

        self._config, self._runner, self._invocation = peek_config, Runner, InvocationDescription
        before = Path.cwd()
        os.chdir(folder)
        try:
            self._executable = cfiddle.build(str(HERE / "attacks.cpp"))[0]
            self._library = Path(self._executable.lib).absolute()
        finally:
            os.chdir(before)

    def bundle(
        self, function: str, *values: int, name: str = "n", outputs: tuple[str, ...] = ()
    ) -> list[Member]:
        """A bundle that calls a function once per value."""
        invocations = [
            self._invocation(self._executable, function, {name: value}, []) for value in values
        ]
        runner = pickle.dumps(
            {"config": self._config(), "runner": self._runner(invocations)}, protocol=5
        )
        places = {"library": "libs/0/attacks.so", "build_dir": "build/0"}
        manifest = Manifest(
            run_id="0" * 16,
            kind="cfiddle",
            entry={
                "runner": "runner.pickle",
                "full": False,
                "lines": True,
                "libraries": {self._executable.lib: places},
                "groups": [{"environment": {}, "invocations": list(range(len(values)))}],
            },
            outputs=outputs,
            versions=SANDBOX_VERSIONS,
        )
        return [
            Member("manifest.json", manifest.to_bytes()),
            Member("runner.pickle", runner),
            Member("libs/0/attacks.so", self._library),
        ]


def probe_bundle(method: str) -> list[Member]:
    """A bundle that calls a method of Probe inside the sandbox."""
    probe = _load_probe()
    call = {"obj": probe.Probe(), "method": method, "args": (), "kwargs": {}, "subdelegate": None}
    manifest = Manifest(
        run_id="0" * 16, kind="call", entry={"call": "call.pickle", "full": False},
        versions=SANDBOX_VERSIONS,
    )  # fmt: skip
    return [
        Member("manifest.json", manifest.to_bytes()),
        Member("modules/cfiddle_slurm_probe.py", HERE / "probe.py"),
        Member("call.pickle", pickle.dumps(call, protocol=5)),
    ]


def _load_probe() -> ModuleType:
    name = "cfiddle_slurm_probe"
    spec = importlib.util.spec_from_file_location(name, HERE / "probe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

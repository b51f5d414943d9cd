"""One run of the guest as a subprocess: feed it, listen to it, end it in time."""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any, BinaryIO

from cfiddle_slurm import process
from cfiddle_slurm.job_directory import BUNDLE, OUTPUT, REPORT, RESULT, STARTED
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.policy import Policy
from cfiddle_slurm.sandbox.protocol import OutcomeKind, ProtocolError
from cfiddle_slurm.settings import Settings

_CHUNK = 256 << 10
_TERMINATE_SECONDS = 5.0
_PROGRAM = (
    "import sys; sys.path += sys.argv[1:]; "
    "from cfiddle_slurm.sandbox.guest.__main__ import main; main()"
)


class LocalRun:
    """A run and the thread that looks after it.

    Args:
        run_id, job_id: its names.
        folder: the job directory, which is filled as a worker would.
        settings: ``time_limit`` is the wall limit; other limits are the sandbox's defaults.
    """

    def __init__(self, run_id: str, job_id: str, folder: Path, settings: Settings) -> None:
        self._run_id, self._job_id, self._folder = run_id, job_id, folder
        self._time_limit = settings.time_limit
        self._policy = Policy()
        self._verdict: tuple[OutcomeKind, str] | None = None
        self._guest: Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._ready = threading.Event()
        self._over = threading.Event()
        self._output_bytes = 0
        self._result_bytes = 0
        self._thread = threading.Thread(
            target=self._look_after, name=f"cfiddle-{run_id}", daemon=True
        )

    @staticmethod
    def command() -> list[str]:
        """The guest's command: this interpreter, isolated from the user's environment."""
        places = [str(Path(__file__).parents[2])]
        cfiddle = find_spec("cfiddle")
        if cfiddle is not None and cfiddle.origin is not None:
            places.append(str(Path(cfiddle.origin).parent.parent))
        return [sys.executable, "-I", "-c", _PROGRAM, *places]

    @property
    def over(self) -> bool:
        """Whether the run has ended and its report is written."""
        return self._over.is_set()

    def start(self) -> None:
        """Start it.

        Raises:
            OSError, ProcessError: the process cannot be started.
        """
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """End it and wait for its end."""
        self._end(OutcomeKind.CANCELLED, "The run was cancelled.")
        self._over.wait(2 * _TERMINATE_SECONDS)

    def _look_after(self) -> None:
        # One thread starts the process and lives as long as it: the guest asks the kernel for a
        # signal at the death of the thread that started it (prctl(2), PR_SET_PDEATHSIG).
        work = tempfile.mkdtemp(prefix="cfiddle-slurm-")
        began = time.monotonic()
        try:
            self._guest = self._start_guest(work)
        except (OSError, ProcessError) as error:
            self._failure = error
            shutil.rmtree(work, ignore_errors=True)
            return
        finally:
            self._ready.set()
        try:
            guest_status = self._converse(self._guest)
            self._report(guest_status, time.monotonic() - began)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            self._over.set()

    def _start_guest(self, work: str) -> "Popen[bytes]":
        started = {"job_id": self._job_id, "node": socket.gethostname(), "time": time.time()}
        (self._folder / STARTED).write_text(json.dumps(started))
        environment = {"CFIDDLE_GUEST_WORK": work, "PATH": os.defpath, "LANG": "C.UTF-8"}
        return process.start(
            self.command(), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=Path(work)
        )

    def _converse(self, guest: "Popen[bytes]") -> dict[str, Any] | None:
        feeder = threading.Thread(target=self._feed, args=(guest.stdin,), daemon=True)
        listener = threading.Thread(target=self._listen, args=(guest.stderr,), daemon=True)
        timer = threading.Timer(self._time_limit or threading.TIMEOUT_MAX, self._end_in_time)
        timer.daemon = True
        for thread in (feeder, listener, timer):
            thread.start()
        try:
            stdout: Any = guest.stdout  # a pipe: it was asked for
            status = self._receive(stdout)
        except (OSError, ProtocolError) as error:
            self._end(OutcomeKind.GUEST_ERROR, f"The guest's answer is broken: {error}")
            status = None
        timer.cancel()
        feeder.join(_TERMINATE_SECONDS)
        if guest.stdin is not None and not feeder.is_alive():
            guest.stdin.close()
        self._wait(guest)
        listener.join(_TERMINATE_SECONDS)
        return status

    def _feed(self, stream: BinaryIO) -> None:
        try:
            with (self._folder / BUNDLE).open("rb") as bundle:
                while chunk := bundle.read(_CHUNK):
                    protocol.write_frame(stream, protocol.DATA, chunk)
            protocol.write_frame(stream, protocol.END, b"")
            stream.flush()
        except OSError:
            pass  # the guest has ended; its last words say why

    def _listen(self, stream: BinaryIO) -> None:
        with (self._folder / OUTPUT).open("wb", buffering=0) as log:
            while chunk := os.read(stream.fileno(), _CHUNK):
                room = self._policy.output_bytes - self._output_bytes
                self._output_bytes += len(chunk)
                log.write(chunk[: max(room, 0)])
                if len(chunk) > room:
                    limit = self._policy.output_bytes
                    self._end(OutcomeKind.OUTPUT, f"The run printed more than {limit} bytes.")

    def _receive(self, stream: BinaryIO) -> dict[str, Any] | None:
        part = self._folder / f"{RESULT}.part"
        status = None
        with part.open("wb") as result:
            while status is None and (frame := protocol.read_frame(stream)) is not None:
                kind, payload = frame
                if kind == protocol.STATUS:
                    status = protocol.parse_json(payload)
                    continue
                self._result_bytes += len(payload)
                if self._result_bytes <= self._policy.result_bytes:
                    result.write(payload)
                else:
                    limit = self._policy.result_bytes
                    self._end(OutcomeKind.RESULT_SIZE, f"The results exceed {limit} bytes.")
        if status is not None and self._verdict is None and self._result_bytes:
            part.rename(self._folder / RESULT)
        else:
            part.unlink()
        return status

    def _end_in_time(self) -> None:
        self._end(OutcomeKind.WALL_TIME, f"The run took longer than {self._time_limit:g} seconds.")

    def _end(self, kind: OutcomeKind, message: str) -> None:
        """End the guest; the first reason given is the verdict."""
        if self._verdict is None and not self.over:
            self._verdict = kind, message
        if self._guest is not None and self._guest.poll() is None:
            self._guest.send_signal(signal.SIGTERM)  # it ends all its children first

    def _wait(self, guest: "Popen[bytes]") -> None:
        try:
            guest.wait(_TERMINATE_SECONDS)
        except TimeoutExpired:
            guest.kill()
            guest.wait()

    def _report(self, guest_status: dict[str, Any] | None, seconds: float) -> None:
        outcome: dict[str, Any] = {"signal": None, "code": None}
        if self._verdict is not None:
            outcome["kind"], outcome["message"] = self._verdict[0].value, self._verdict[1]
        elif guest_status is not None:
            outcome = guest_status["outcome"]
        else:
            outcome["kind"] = OutcomeKind.GUEST_ERROR.value
            outcome["message"] = "The guest ended without a word."
        guest = guest_status or {}
        run_seconds = float(guest.get("run_seconds") or 0.0)
        report = {
            "protocol": protocol.PROTOCOL,
            "run_id": self._run_id,
            "job_id": self._job_id,
            "node": socket.gethostname(),
            "client_seconds": seconds,
            "outcome": outcome,
            "container": None,
            "image": None,
            "image_id": None,
            "cores": None,
            "measured": {
                "wall_seconds": seconds,
                "startup_seconds": max(0.0, seconds - run_seconds),
                "cpu_seconds": guest.get("cpu_seconds"),
                "memory_peak_bytes": guest.get("max_rss_bytes"),
                "pids_peak": None,
                "output_bytes": self._output_bytes,
                "result_bytes": self._result_bytes,
            },
            "guest": guest_status,
            "versions": {},
        }
        part = self._folder / f"{REPORT}.part"
        part.write_text(json.dumps(report))
        part.rename(self._folder / REPORT)

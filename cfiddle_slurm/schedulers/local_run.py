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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import TYPE_CHECKING, Any, BinaryIO

from cfiddle_slurm import process
from cfiddle_slurm.bundle.layout import BUNDLE, OUTPUT, PART, REPORT, RESULT, STARTED
from cfiddle_slurm.process import ProcessError
from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.client import transfer
from cfiddle_slurm.sandbox.daemon.pump import Ended
from cfiddle_slurm.sandbox.daemon.verdict import End, Evidence, State, Usage, judge
from cfiddle_slurm.sandbox.policy import Limits, Policy
from cfiddle_slurm.sandbox.protocol import ProtocolError
from cfiddle_slurm.sandbox.status import final, measured, number, parse_guest_status
from cfiddle_slurm.settings import Settings

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Guest

_TERMINATE_SECONDS = 5.0
_PROGRAM = (
    "import sys; sys.path += sys.argv[1:]; "
    "from cfiddle_slurm.sandbox.guest.__main__ import main; main()"
)


class _Bounded:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: BinaryIO, most: int, end: End) -> None:
        self._file, self._left, self._end = file, most, end

    def write(self, data: bytes | memoryview) -> int:
        """Write what there is room for.

        Raises:
            Ended: that was not all.
        """
        written = self._file.write(data[: self._left])
        self._left -= written
        if not self._left and written < len(data):
            raise Ended(self._end)
        return written


class LocalRun:
    """A run and the thread that looks after it.

    Args:
        run_id, job_id: its names.
        folder: the job directory, which is filled as a worker would.
        settings: ``time_limit`` is the wall limit; other limits are the sandbox's defaults.
    """

    def __init__(self, run_id: str, job_id: str, folder: Path, settings: Settings) -> None:
        self._run_id, self._job_id, self._folder = run_id, job_id, folder
        self._policy = Policy()
        self._limits = Limits(
            image="",
            memory=self._policy.memory,
            wall_seconds=settings.time_limit or threading.TIMEOUT_MAX,
            cpu_seconds=self._policy.cpu_seconds,
        )
        self._ended: tuple[End, str] | None = None
        self._guest: Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._ready = threading.Event()
        self._over = threading.Event()
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
        self._end(End.STOPPED)
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

    def _converse(self, guest: "Popen[bytes]") -> "Guest | None":
        """Feed the guest and hear it out; its status, if it comes to that."""
        status = None
        feeder = threading.Thread(target=self._feed, args=(guest.stdin,), daemon=True)
        listener = threading.Thread(target=self._listen, args=(guest.stderr,), daemon=True)
        timer = threading.Timer(self._limits.wall_seconds, self._end, (End.WALL_TIME,))
        timer.daemon = True
        for thread in (feeder, listener, timer):
            thread.start()
        with self._ending_if_broken():
            status = self._receive(guest.stdout)
        timer.cancel()
        feeder.join(_TERMINATE_SECONDS)
        if guest.stdin is not None and not feeder.is_alive():
            with suppress(BrokenPipeError):  # what a guest that has ended did not take
                guest.stdin.close()
        self._wait(guest)
        listener.join(_TERMINATE_SECONDS)
        return status

    def _feed(self, stream: BinaryIO) -> None:
        # A guest that has ended takes no more; its last words say why.
        with suppress(OSError), (self._folder / BUNDLE).open("rb") as bundle:
            transfer.send(bundle, stream)
            stream.flush()

    def _listen(self, stream: BinaryIO) -> None:
        with self._ending_if_broken(), transfer.create(str(self._folder / OUTPUT)) as log:
            bounded = _Bounded(log, self._policy.output_bytes, End.OUTPUT_LIMIT)
            while chunk := os.read(stream.fileno(), transfer.CHUNK):
                bounded.write(chunk)

    def _receive(self, stream: Any) -> "Guest | None":
        part = f"{self._folder / RESULT}{PART}"
        status = None
        with transfer.create(part) as file:
            try:
                result = _Bounded(file, self._policy.result_bytes, End.RESULT_LIMIT)
                last = transfer.take(stream, {protocol.RESULT: result})
                status = None if last is None else parse_guest_status(last)
            finally:
                whole = status is not None and self._ended is None and file.tell() > 0
                transfer.keep(part, whole=whole)
        return status

    @contextmanager
    def _ending_if_broken(self) -> Iterator[None]:
        try:
            yield
        except Ended as ended:
            self._end(ended.end)
        except transfer.Unavailable as error:
            self._end(End.BAD_GUEST, str(error))
        except (OSError, ProtocolError) as error:
            self._end(End.BAD_GUEST, f"The guest's answer is broken: {error}")

    def _end(self, end: End, detail: str = "") -> None:
        """End the guest; the first reason given counts."""
        if self._ended is None and not self.over:
            self._ended = end, detail
        if self._guest is not None and self._guest.poll() is None:
            self._guest.send_signal(signal.SIGTERM)  # it ends all its children first

    def _wait(self, guest: "Popen[bytes]") -> None:
        try:
            guest.wait(_TERMINATE_SECONDS)
        except TimeoutExpired:
            guest.kill()
            guest.wait()

    def _exit_status(self) -> int | None:
        """The guest's, as a shell and a container engine tell it: 128 and more for a signal."""
        code = self._guest.returncode if self._guest is not None else None
        return 128 - code if code is not None and code < 0 else code

    def _report(self, guest: "Guest | None", seconds: float) -> None:
        end, detail = self._ended or (End.STREAM_ENDED if guest is None else End.GUEST_DONE, "")
        state = State(exit_code=self._exit_status())
        run_seconds = number(guest["run_seconds"]) if guest is not None else None
        report = final(
            judge(Evidence(end, guest, Usage(), state, detail=detail), self._policy, self._limits),
            run_id=self._run_id,
            job_id=self._job_id,
            node=socket.gethostname(),
            measured=measured(
                guest,
                wall_seconds=seconds,
                startup_seconds=max(0.0, seconds - (run_seconds or 0.0)),
            ),
            guest=guest,
        )
        transfer.write_atomically(str(self._folder / REPORT), json.dumps(report).encode())

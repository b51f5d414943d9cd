"""The batch script's door to the sandbox: ``cfiddle-sandbox run JOBDIR``. Standard library only.

It streams a job directory's bundle to sandboxd and writes what comes back. It never leaves a job
directory without ``report.json`` unless it is killed; when it is, the closed socket kills the
container. The start of this program is part of every run's latency: until it has said hello, it
loads hardly anything, and afterwards there is time, while the container starts.

Exit status: 0 a report was written (or another job has the run), 1 not, 2 wrong usage.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

if __name__ == "__main__" and not __package__:
    # Started by its file name under ``python -I -S``: there is no site-packages to import from.
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.dirname(package))

from cfiddle_slurm.bundle.layout import PART, REPORT, REQUEST, RESULT
from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.claim import claim, is_this_jobs, job_id, node, opening, silence
from cfiddle_slurm.sandbox.client.transfer import (
    CHUNK,
    Unavailable,
    receive,
    remove,
    send_bundle,
    write_atomically,
)
from cfiddle_slurm.sandbox.protocol import OutcomeKind, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cfiddle_slurm.sandbox.status import Status

CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 4.0
"""How long a sandboxd that is just being replaced by a new one is waited for."""
RELEASE_SECONDS = 10.0
_stages: dict[str, float] = {}
"""When this process reached which stage of the run, on the monotonic clock."""
_USAGE = "usage: cfiddle-sandbox run JOBDIR | release JOBID | ping"


def main(arguments: list[str] | None = None) -> int:
    """Console script. Returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    # A stop request ends this process at once; the socket it closes ends the container.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if len(words) == 2 and words[0] == "run":
        return run(words[1])
    if len(words) == 2 and words[0] == "release":
        return release(words[1])
    if words == ["ping"]:
        return ping()
    print(_USAGE, file=sys.stderr)
    return 2


def run(folder: str) -> int:
    """Execute the run in a job directory. Returns the exit status."""
    _stages["client"] = time.monotonic()
    try:
        os.chdir(folder)
        if not claim():
            # Another job may be at it. Where it was this very job, which Slurm has begun anew,
            # nobody is any more, and Slurm shall say that it failed, unless there is a report.
            return 0 if os.path.lexists(REPORT) else int(is_this_jobs())
    except OSError as error:
        print(f"cfiddle-sandbox: the job directory cannot be used: {error}", file=sys.stderr)
        return 1
    try:
        silent = silence()
        if silent is None:
            report = _converse()
        else:
            report = _own_report(
                OutcomeKind.WITHDRAWN,
                "The run was not started when its turn came: nothing had been heard of its "
                f"notebook for {silent:.0f} seconds.",
            )
    except Unavailable as error:
        report = _own_report(error.kind, str(error))
    report["job_id"], report["node"] = job_id(), node()
    report["stages"] = {**report.get("stages", {}), **_stages, "report": time.monotonic()}
    import json

    try:
        if report["outcome"]["kind"] == OutcomeKind.HOME.value:
            # The report says what is wrong; what is half there may have to make room for it.
            remove(RESULT + PART)
        write_atomically(REPORT, json.dumps(report).encode())
    except OSError as error:
        print(f"cfiddle-sandbox: {REPORT} cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


def _hello() -> bytes:
    """The request with this job's id in front; sandboxd judges the rest of it."""
    try:
        with open(REQUEST, "rb") as stream:
            request = stream.read(1 << 20).strip()
    except OSError as error:
        raise Unavailable(f"The job directory's {REQUEST} cannot be read: {error}") from error
    if not request.startswith(b"{"):
        raise Unavailable(f"The job directory's {REQUEST} is not a JSON object.")
    payload = opening().encode() + request[1:]
    try:
        return protocol.header(protocol.HELLO, len(payload)) + payload
    except ProtocolError as error:
        raise Unavailable(f"The job directory's {REQUEST} is too long: {error}") from error


def _converse() -> Status:
    """Send the bundle, take what comes back, return the final status."""
    hello = _hello()
    connection = connect(PATIENCE_SECONDS)
    trouble: list[str] = []
    try:
        _stages["hello"] = time.monotonic()
        connection.sendall(hello)
        # While the container starts there is time; json is for its last word.
        import json  # noqa: F401
        import threading

        # sandboxd bounds every wait on its side; a silent one for minutes is a healthy long run.
        connection.settimeout(None)
        # It may be speaking while we still send: a sender of its own avoids a deadlock.
        sender = threading.Thread(target=send_bundle, args=(connection, trouble), daemon=True)
        sender.start()
        status = receive(connection.makefile("rb", CHUNK))
    except (OSError, ProtocolError) as error:
        raise Unavailable(f"{_lost(trouble)} ({error})") from error
    finally:
        connection.close()
    if status is None:
        raise Unavailable(_lost(trouble))
    _stages["told"] = time.monotonic()
    return status


def _lost(trouble: list[str]) -> str:
    return trouble[0] if trouble else "The connection to the node's sandbox service broke off."


def connect(patience: float = 0.0) -> socket.socket:
    """A connection to sandboxd.

    Args:
        patience: seconds to wait for somebody to listen.

    Raises:
        Unavailable: nobody answers at its socket.
    """
    began = time.monotonic()
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(os.environ.get(protocol.SOCKET_VARIABLE) or protocol.SOCKET_PATH)
        except OSError as error:
            connection.close()
            if time.monotonic() - began >= _patience_with(error, patience):
                reason = error.strerror or str(error)
                raise Unavailable(
                    f"The sandbox service of node {node()} cannot be reached ({reason}); the run"
                    " was not started."
                ) from error
            time.sleep(0.1)
        else:
            return connection


def _patience_with(error: OSError, patience: float) -> float:
    if isinstance(error, BlockingIOError):
        return CONNECT_SECONDS  # it is there, and has not yet taken all who came before
    return patience if isinstance(error, (ConnectionRefusedError, FileNotFoundError)) else 0.0


def _own_report(kind: OutcomeKind, message: str) -> Status:
    from cfiddle_slurm.sandbox.status import final, outcome

    return final(outcome(kind, message), run_id=_run_id())


def _run_id() -> object:
    """What request.json calls the run, as far as it can be read."""
    try:
        with open(REQUEST, "rb") as stream:
            return protocol.parse_json(stream.read(1 << 16)).get("run_id")
    except (OSError, ProtocolError):
        return None


def release(job_id: str) -> int:
    """Have sandboxd end what is left of a job: 0, or 1 without an answer (it sweeps later)."""
    try:
        _ask(protocol.RELEASE, {"job_id": job_id}, RELEASE_SECONDS)
    except Unavailable as error:
        print(f"cfiddle-sandbox: job {job_id} was not released: {error}", file=sys.stderr)
        return 1
    return 0


def ping() -> int:
    """Whether sandboxd can take a run: 0, 3 when it says no, 1 when it says nothing."""
    try:
        question = {"protocol": protocol.PROTOCOL}
        outcome = _ask(protocol.PING, question, CONNECT_SECONDS).get("outcome", {})
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    ready = outcome.get("kind") == OutcomeKind.OK.value
    print(outcome.get("message", ""), file=sys.stdout if ready else sys.stderr)
    return 0 if ready else 3


def _ask(kind: bytes, question: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One question, one answer."""
    connection = connect()
    connection.settimeout(seconds)
    try:
        with connection, connection.makefile("rb") as incoming:
            with connection.makefile("wb") as outgoing:
                protocol.write_json(outgoing, kind, question)
            frame = protocol.read_frame(incoming)
            if frame is None or frame[0] != protocol.STATUS:
                raise Unavailable("sandboxd gave no answer.")
            return protocol.parse_json(frame[1])
    except (OSError, ProtocolError) as error:
        raise Unavailable(f"sandboxd gave no answer ({error}).") from error


if __name__ == "__main__":
    sys.exit(main())

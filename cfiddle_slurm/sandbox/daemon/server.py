"""sandboxd's socket: who may come in, each into a thread of its own, and what each one wants."""

import os
import socket
import stat
import struct
import threading
import time
from pathlib import Path
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any

from cfiddle_slurm._version import __version__
from cfiddle_slurm.doorman import Doorman
from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.daemon.conversation import FIRST_FRAME_SECONDS, Conversation
from cfiddle_slurm.sandbox.daemon.engine import EngineError
from cfiddle_slurm.sandbox.daemon.node import Node
from cfiddle_slurm.sandbox.daemon.request import BadRequest, parse_job_id
from cfiddle_slurm.sandbox.protocol import OutcomeKind, ProtocolError
from cfiddle_slurm.sandbox.status import outcome

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Outcome

_BACKLOG = 64
_PAUSE_SECONDS = 0.05
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_QUESTIONS = frozenset((protocol.HELLO, protocol.RELEASE, protocol.PING))


class StartError(Exception):
    """sandboxd cannot start: one sentence."""


class Server:
    """Accepts callers until it is told to stop."""

    def __init__(self, node: Node, listener: socket.socket) -> None:
        self._node = node
        self._listener = listener
        # Epilogs and health checks must pass.
        self._doorman = Doorman(
            node.policy.connections_per_user, node.policy.connections, node.administrator
        )
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def stop(self, *_: object) -> None:
        """Let :meth:`serve` return; a signal handler."""
        os.eventfd_write(self._wake, 1)

    def serve(self) -> None:
        """Accept callers, each into a thread of its own."""
        poller = poll()
        poller.register(self._listener, POLLIN)
        poller.register(self._wake, POLLIN)
        self._listener.setblocking(False)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self._wake in ready:
                return
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # It left before it was let in; or descriptors ran out, and then a pause helps.
                time.sleep(_PAUSE_SECONDS)
                continue
            self._receive(connection)

    def _receive(self, connection: socket.socket) -> None:
        # From the kernel (SO_PEERCRED, unix(7)).
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        uid = int(_PEER.unpack(raw)[1])
        if not self._doorman.admit(uid):
            said = outcome(OutcomeKind.BUSY, "Too many connections to the sandbox service.")
            with connection:
                _answer(connection, said)
            return
        threading.Thread(target=self._converse, args=(connection, uid), daemon=True).start()

    def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            with connection:
                self._serve(connection, uid)
        finally:
            self._doorman.leave(uid)

    def _serve(self, connection: socket.socket, uid: int) -> None:
        try:
            kind, question = receive_question(connection, FIRST_FRAME_SECONDS)
        except ProtocolError as error:
            _answer(connection, outcome(OutcomeKind.REFUSED, str(error)))
            return
        except OSError:
            return  # it left, or said nothing in time: nobody to answer
        if kind == protocol.PING:
            _answer(connection, self._ping())
        elif kind == protocol.RELEASE:
            _answer(connection, self._release(question, uid))
        else:
            Conversation(connection, uid, self._node).hold(question)

    def _ping(self) -> "Outcome":
        try:
            with self._node.engine() as engine:
                engine.check(self._node.policy.images[0])
        except EngineError as error:
            return outcome(OutcomeKind.UNAVAILABLE, str(error))
        return outcome(OutcomeKind.OK, f"sandboxd {__version__} is ready.")

    def _release(self, question: dict[str, Any], uid: int) -> "Outcome":
        if uid != self._node.administrator:
            return outcome(OutcomeKind.REFUSED, "Only the administrator may release a job.")
        try:
            left = self._node.release(parse_job_id(question))
        except BadRequest as error:
            return outcome(OutcomeKind.REFUSED, str(error))
        if left is not None:
            return outcome(OutcomeKind.UNAVAILABLE, left)
        return outcome(OutcomeKind.OK, "Nothing is left of the job.")


def receive_question(connection: socket.socket, seconds: float) -> tuple[bytes, dict[str, Any]]:
    """A caller's first frame, and not one byte more.

    Raises:
        ProtocolError: it is none that begins a conversation.
        OSError: the caller left, or took longer than ``seconds``.
    """
    deadline = time.monotonic() + seconds
    kind, length = protocol.parse_header(_receive(connection, protocol.HEADER_BYTES, deadline))
    if kind not in _QUESTIONS:
        raise ProtocolError(f"A conversation does not begin with a frame of type {kind!r}.")
    return kind, protocol.parse_json(_receive(connection, length, deadline))


def _receive(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < count:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the caller left")
        data += part
    return bytes(data)


def _answer(connection: socket.socket, said: "Outcome") -> None:
    """A status that is only an outcome; a caller that does not listen is left alone."""
    try:
        connection.settimeout(FIRST_FRAME_SECONDS)
        connection.sendall(protocol.json_frame(protocol.STATUS, {"outcome": said}))
    except OSError:
        return


def listen(path: Path) -> socket.socket:
    """Listen on a unix socket that everybody may connect to.

    Raises:
        StartError: its directory is open to others, something else is in its place, or another
            sandboxd answers there.
    """
    try:
        _check_directory(path.parent)
        _clear_place(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise StartError(f"The socket {path} cannot be made: {error}.") from error
    return listener


def _check_directory(directory: Path) -> None:
    stats = directory.stat()
    if stats.st_uid != os.geteuid() or stats.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StartError(
            f"The directory {directory} must belong to uid {os.geteuid()} and be writable by nobody"
            " else: whoever can write there can take the place of sandboxd."
        )


def _clear_place(path: Path) -> None:
    try:
        stats = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(stats.st_mode):
        raise StartError(f"{path} is there already and is no socket.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()  # left by one that was killed
            return
    raise StartError(f"Another sandboxd answers at {path}.")

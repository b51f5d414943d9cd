"""sandboxd's socket: who may come in, each into a thread of its own."""

import os
import socket
import stat
import threading
import time
from pathlib import Path
from select import POLLIN, poll

from cfiddle_slurm.doorman import Doorman
from cfiddle_slurm.sandbox.daemon.callers import give_answer, peer_uid
from cfiddle_slurm.sandbox.daemon.conversation import converse
from cfiddle_slurm.sandbox.daemon.node import Node
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.sandbox.status import outcome

_BACKLOG = 64
_PAUSE_SECONDS = 0.05


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
        uid = peer_uid(connection)
        if not self._doorman.admit(uid):
            said = outcome(OutcomeKind.BUSY, "Too many connections to the sandbox service.")
            with connection:
                give_answer(connection, said)
            return
        threading.Thread(target=self._converse, args=(connection, uid), daemon=True).start()

    def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            converse(connection, uid, self._node)
        finally:
            self._doorman.leave(uid)


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

"""sandboxd, the only process on a worker that can talk to the container engine.

It listens on a unix socket that everybody may connect to, knows callers by their uid from the
kernel, and executes bundles of registered jobs, one at a time. See docs/sandbox.md.
"""

import argparse
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from select import POLLIN, poll

from cfiddle_slurm._version import __version__
from cfiddle_slurm.sandbox.cpu_list import parse_cpu_list
from cfiddle_slurm.sandbox.daemon.callers import give_answer, peer_uid
from cfiddle_slurm.sandbox.daemon.container import Place, read_seccomp_profile
from cfiddle_slurm.sandbox.daemon.conversation import converse
from cfiddle_slurm.sandbox.daemon.engine import ENGINE_URL, EngineAddress
from cfiddle_slurm.sandbox.daemon.job_registry import Registry
from cfiddle_slurm.sandbox.daemon.node import Node, log
from cfiddle_slurm.sandbox.daemon.readiness import Readiness
from cfiddle_slurm.sandbox.daemon.topology import (
    TopologyError,
    choose_cores,
    read_topology,
)
from cfiddle_slurm.sandbox.policy import POLICY_PATH, Policy, PolicyError, for_cores, load_policy
from cfiddle_slurm.sandbox.protocol import (
    JOBS_DIRECTORY,
    SOCKET_PATH,
    SOCKET_VARIABLE,
    STATE_NAME,
    OutcomeKind,
)
from cfiddle_slurm.sandbox.status import outcome

SECCOMP_PATH = Path("/usr/local/share/cfiddle-slurm/seccomp.json")
STOP_SECONDS = 8.0
"""Below the 10 s that container engines and service managers allow by default."""
_BACKLOG = 64
_PAUSE_SECONDS = 0.05


class StartError(Exception):
    """sandboxd cannot start: one sentence."""


class Doorman:
    """Bounds how many conversations are open, in all and per user.

    Args:
        administrator: the uid for which there is no bound: Epilogs and health checks must pass.
    """

    def __init__(self, policy: Policy, administrator: int) -> None:
        self._policy = policy
        self._administrator = administrator
        self._inside: Counter[int] = Counter()
        self._lock = threading.Lock()

    def admit(self, uid: int) -> bool:
        """Whether there is room; each admission is to be followed by one :meth:`leave`."""
        with self._lock:
            if uid != self._administrator:
                others = self._inside.total() - self._inside[self._administrator]
                if (
                    others >= self._policy.connections
                    or self._inside[uid] >= self._policy.connections_per_user
                ):
                    return False
            self._inside[uid] += 1
            return True

    def leave(self, uid: int) -> None:
        """A conversation is over."""
        with self._lock:
            self._inside[uid] -= 1
            self._inside += Counter()  # forgets users with none


class Server:
    """Accepts callers until it is told to stop."""

    def __init__(self, node: Node, listener: socket.socket) -> None:
        self._node = node
        self._listener = listener
        self._doorman = Doorman(node.policy, node.administrator)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Console script ``cfiddle-sandboxd``. Returns the exit status: 0 stopped, 1 cannot start."""
    options = parse_arguments(arguments)
    try:
        node = make_node(options)
        listener = listen(options.socket)
    except (PolicyError, TopologyError, StartError) as error:
        log(str(error))
        return 1
    server = Server(node, listener)
    signal.signal(signal.SIGTERM, server.stop)
    signal.signal(signal.SIGINT, server.stop)
    node.sweep_if_possible()
    node.look()
    tidied = threading.Event()
    threading.Thread(target=node.tidy, args=(tidied,), daemon=True).start()
    log(f"{__version__} ready: socket {options.socket}, cores {node.place.cores}")
    server.serve()
    listener.close()
    options.socket.unlink(missing_ok=True)
    tidied.set()
    node.readiness.end()
    if options.grace and not node.finish(options.grace):
        log(f"the present run did not end within {options.grace:g} s")
    if not node.stop_all("The node's sandbox service was stopped.", STOP_SECONDS):
        log("stopped with a run still there; it is swept at the next start")
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cfiddle-sandboxd", description=__doc__.splitlines()[0])
    default = os.environ.get(SOCKET_VARIABLE) or SOCKET_PATH
    parser.add_argument("--socket", type=Path, default=Path(default), help="where to listen")
    parser.add_argument(
        "--jobs",
        type=Path,
        default=Path(JOBS_DIRECTORY),
        help="where Slurm's Prolog registers jobs",
    )
    parser.add_argument("--policy", type=Path, default=POLICY_PATH, help="the policy file")
    parser.add_argument(
        "--seccomp", type=Path, default=SECCOMP_PATH, help="the experiments' seccomp profile"
    )
    parser.add_argument("--engine", default=ENGINE_URL, help="URL of the container engine")
    parser.add_argument(
        "--owner", type=int, default=0, help="uid that registers and releases jobs (default: root)"
    )
    parser.add_argument(
        "--instance",
        default="1",
        help="label value of this sandboxd's containers, where several share an engine",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=0.0,
        help="seconds that a present run may take to end when sandboxd is to stop (default: 0)",
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def make_node(options: argparse.Namespace) -> Node:
    """The shared state, from the command line.

    Raises:
        PolicyError, TopologyError: the policy file is wrong for this machine.
        StartError: the seccomp profile cannot be used.
    """
    policy = load_policy(options.policy)
    try:
        seccomp = read_seccomp_profile(options.seccomp)
    except ValueError as error:
        raise StartError(str(error)) from error
    cores = choose_cores(read_topology(), frozenset(os.sched_getaffinity(0)), policy.cores)
    policy = for_cores(policy, len(parse_cpu_list(cores)))
    registry = Registry(options.jobs, options.owner)
    address = EngineAddress(options.engine, options.instance)
    readiness = Readiness(options.socket.parent / STATE_NAME)
    place = Place(cores, seccomp)
    return Node(policy, registry, address, place, options.owner, readiness=readiness)


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


if __name__ == "__main__":
    sys.exit(main())

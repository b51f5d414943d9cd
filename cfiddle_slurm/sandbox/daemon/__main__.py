"""sandboxd, the only process on a worker that can talk to the container engine.

It listens on a unix socket that everybody may connect to, knows callers by their uid from the
kernel, and executes bundles of registered jobs, one at a time. See docs/sandbox.md.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm._version import __version__
from cfiddle_slurm.sandbox.daemon.container_config import Place, read_seccomp_profile
from cfiddle_slurm.sandbox.daemon.engine import ENGINE_URL, EngineAddress
from cfiddle_slurm.sandbox.daemon.job_registry import Registry
from cfiddle_slurm.sandbox.daemon.node import Node, log
from cfiddle_slurm.sandbox.daemon.readiness import Readiness
from cfiddle_slurm.sandbox.daemon.server import Server, StartError, listen
from cfiddle_slurm.sandbox.daemon.topology import TopologyError, choose_cores, read_topology
from cfiddle_slurm.sandbox.policy import POLICY_PATH, PolicyError, for_cores, load_policy
from cfiddle_slurm.sandbox.protocol import (
    JOBS_DIRECTORY,
    SOCKET_PATH,
    SOCKET_VARIABLE,
    STATE_NAME,
)
from cfiddle_slurm.values import parse_cpu_list

SECCOMP_PATH = Path("/usr/local/share/cfiddle-slurm/seccomp.json")
STOP_SECONDS = 8.0
"""Below the 10 s that container engines and service managers allow by default."""


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
    node.sweep()
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
    return Node(policy, registry, address, place, options.owner, readiness)


if __name__ == "__main__":
    sys.exit(main())

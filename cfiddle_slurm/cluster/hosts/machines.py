"""The machines of a cluster, and how they are reached: this one directly, others by ssh.

Docker speaks its own protocol over ssh (``docker --host=ssh://…``), so a machine needs nothing but
its ssh server and its engine.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import Any, TypeVar

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts import conversations
from cfiddle_slurm.cluster.site.config import LOCAL, Config
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import Completed, ProcessError

_Result = TypeVar("_Result")
SECONDS = 120.0
_SSH_FAILED = 255  # ssh(1), "EXIT STATUS"
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
OWN_CONNECTION = ("-o", "ControlMaster=no", "-o", "ControlPath=none")
"""ssh's options for a connection that is not one that others share."""
FORWARDING = (*OWN_CONNECTION, "-o", "ExitOnForwardFailure=yes")
"""ssh's options for a connection that forwards a port."""


class MachineError(ClusterError):
    """A machine cannot be reached, or cannot do what was asked: one sentence with its name."""


class Unreachable(MachineError):
    """ssh finds no way to a machine; ``obstacle`` has why, and what to do about it."""

    def __init__(self, message: str, obstacle: conversations.Obstacle) -> None:
        super().__init__(message)
        self.obstacle = obstacle


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        address: for ssh, or ``local``.
        user: the account there.
    """

    address: str = LOCAL
    user: str = "root"

    @property
    def is_local(self) -> bool:
        """Whether it is the one on which this program runs."""
        return self.address == LOCAL

    @property
    def docker_url(self) -> str:
        """Of its engine, as Docker's programs and libraries take it; empty for the local one."""
        return "" if self.is_local else f"ssh://{self.user}@{self.address}"

    def docker_arguments(self, *arguments: str) -> list[str]:
        """The command line of a docker command for this machine's engine."""
        return ["docker", *([] if self.is_local else [f"--host={self.docker_url}"]), *arguments]

    def try_docker(
        self,
        *arguments: str,
        timeout: float = SECONDS,
        input: bytes | None = None,  # noqa: A002 - as in subprocess
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a docker command for its engine, whatever the exit status.

        Raises:
            ProcessError: there is no docker command here, or it took too long.
        """
        return conversations.run(
            self.docker_arguments(*arguments), self.address, f"docker {' '.join(arguments[:2])}",
            timeout=timeout, input=input, env=env,
        )  # fmt: skip

    def docker(self, *arguments: str, **options: Any) -> str:
        """What a docker command prints, without white space around it; see :meth:`try_docker`.

        Raises:
            MachineError: it failed; the message has its words.
            ProcessError: as :meth:`try_docker`.
        """
        done = self.try_docker(*arguments, **options)
        if done.status != 0:
            raise failed(self, arguments, done)
        return done.stdout.strip()

    def shell(self, script: str, *words: str, timeout: float = SECONDS) -> Completed:
        """Run a script there as root, whatever its exit status.

        Args:
            script: sent to sh as its standard input.
            words: its arguments.

        Raises:
            MachineError: the machine cannot be reached.
            ProcessError: it took too long.
        """
        done = conversations.run(
            self.root_arguments(["sh", "-s", "--", *words]), self.address, "a script",
            timeout=timeout, input=script.encode(),
        )  # fmt: skip
        if not self.is_local and done.status == _SSH_FAILED:
            raise unreachable(self, done.stderr)
        return done

    def root_arguments(self, command: list[str], *options: str) -> list[str]:
        """The command line of a command there, as root.

        Args:
            options: for ssh, in addition.
        """
        if self.is_local:
            return command
        sudo = [] if self.user == "root" else ["sudo", "--non-interactive"]
        return self.ssh_arguments(shlex.join([*sudo, *command]), *options)

    def ssh_arguments(self, line: str, *options: str) -> list[str]:
        """The command line of ssh for a line of its shell there."""
        return [*_SSH, *options, f"{self.user}@{self.address}", line]

    def check_shell(self, script: str, *words: str, timeout: float = SECONDS) -> str:
        """As :meth:`shell`, for a script that is expected to succeed.

        Raises:
            MachineError: it failed, or the machine cannot be reached.
        """
        done = self.shell(script, *words, timeout=timeout)
        if done.status != 0:
            said = done.last_words or f"a script ended with status {done.status}"
            raise MachineError(f"{self}: {said}")
        return done.stdout.strip()

    def __str__(self) -> str:
        return "this machine" if self.is_local else self.address


def failed(machine: Machine, arguments: Sequence[str], done: Completed) -> MachineError:
    """The error for a docker command that failed on a machine."""
    if not machine.is_local and conversations.is_unreachable(done.stderr):
        return unreachable(machine, done.stderr)
    return MachineError(
        f"`docker {' '.join(arguments[:2])}` failed on {machine}: {done.last_words}"
    )


def unreachable(machine: Machine, stderr: str) -> Unreachable:
    """The error for a machine to which ssh finds no way."""
    found = conversations.obstacle(stderr)
    return Unreachable(
        f"{machine} cannot be reached by ssh as {machine.user}: {found.what}.", found
    )


def head_of(config: Config) -> Machine:
    """The cluster's head."""
    return Machine(config.head, config.ssh_user)


def all_of(config: Config) -> list[Machine]:
    """All of the cluster's machines, the head first."""
    return [Machine(address, config.ssh_user) for address in config.machines]


def try_each(
    machines: Iterable[Machine], action: Callable[[Machine], _Result]
) -> tuple[dict[Machine, _Result], dict[Machine, MachineError | ProcessError]]:
    """Do something on several machines at once: what it gave, and the errors of those that failed.

    Raises:
        Exception: the action raised something that is no failure of a machine; the others finish.
    """
    with conversations.pool() as pool:
        found = [(machine, pool.submit(action, machine)) for machine in machines]
    given: dict[Machine, _Result] = {}
    failed: dict[Machine, MachineError | ProcessError] = {}
    for machine, one in found:
        try:
            given[machine] = one.result()
        except (MachineError, ProcessError) as error:
            failed[machine] = error
    return given, failed


_WHY_NO_ENGINE = """
if ! command -v dockerd >/dev/null; then echo missing
elif grep -qsE '"live-restore" *: *true' /etc/docker/daemon.json; then echo live-restore
else echo stopped
fi
"""
LIVE_RESTORE = (
    'its /etc/docker/daemon.json says "live-restore": true, which Docker\'s swarm does not work'
    " with: remove that, and restart Docker there"
)


def require(machine: Machine) -> None:
    """Make sure that a machine can be reached and has an engine that answers.

    Raises:
        MachineError: it cannot or has not.
    """
    if not machine.is_local:
        machine.shell("true", timeout=30)
    done = machine.try_docker("version", "--format={{.Server.Version}}", timeout=30)
    if done.status == 0:
        return
    why = {
        "missing": "`provision` installs one",
        "live-restore": LIVE_RESTORE,
        "stopped": "one is installed, and `systemctl status docker` there says why it does not run",
    }[machine.check_shell(_WHY_NO_ENGINE)]
    raise MachineError(f"No Docker engine answers on {machine}: {why}. ({done.last_words})")


@contextmanager
def tunnel(machine: Machine, here: int, there: int) -> Iterator[None]:
    """A port of this machine's loopback that leads to one of another machine's loopback.

    Raises:
        MachineError: ssh finds no way, or the port here is taken.
    """
    if machine.is_local:
        raise ValueError("a tunnel leads to another machine")
    forward = ("-L", f"127.0.0.1:{here}:127.0.0.1:{there}")
    # What it runs there ends with the connection.
    arguments = machine.ssh_arguments("echo ready; exec cat", *FORWARDING, *forward)
    with process.started(arguments, stdin=PIPE, stderr=DEVNULL) as child:
        line = child.stdout.readline() if child.stdout else b""
        if line.strip() != b"ready":
            raise unreachable(machine, "the tunnel could not be made")
        yield

"""The machines of a cluster, and how they are reached: this one directly, others by ssh.

Docker speaks its own protocol over ssh (``docker --host=ssh://…``), so a machine needs nothing but
its ssh server and its engine.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import TypeVar

from cfiddle_slurm import process
from cfiddle_slurm.cluster.config import LOCAL, Config
from cfiddle_slurm.process import Completed

_Result = TypeVar("_Result")
SECONDS = 120.0
_SSH_FAILED = 255  # ssh(1), "EXIT STATUS"
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
_AT_ONCE = 16


class MachineError(Exception):
    """A machine cannot be reached, or cannot do what was asked: one sentence with its name."""


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
        return process.run(self.docker_arguments(*arguments), timeout=timeout, input=input, env=env)

    def docker(
        self,
        *arguments: str,
        timeout: float = SECONDS,
        input: bytes | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What a docker command prints, without white space around it.

        Raises:
            MachineError: it failed; the message has its words.
            ProcessError: as :meth:`try_docker`.
        """
        done = self.try_docker(*arguments, timeout=timeout, input=input, env=env)
        if done.status != 0:
            raise MachineError(
                f"`docker {' '.join(arguments[:2])}` failed on {self}: {last_words(done)}"
            )
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
        sh = ["sh", "-s", "--", *words]
        if self.is_local:
            return process.run(sh, timeout=timeout, input=script.encode())
        sudo = [] if self.user == "root" else ["sudo", "--non-interactive"]
        remote = shlex.join([*sudo, *sh])
        done = process.run(
            [*_SSH, f"{self.user}@{self.address}", remote], timeout=timeout, input=script.encode()
        )
        if done.status == _SSH_FAILED:
            raise unreachable(self, done.stderr)
        return done

    def check_shell(self, script: str, *words: str, timeout: float = SECONDS) -> str:
        """As :meth:`shell`, for a script that is expected to succeed.

        Raises:
            MachineError: it failed, or the machine cannot be reached.
        """
        done = self.shell(script, *words, timeout=timeout)
        if done.status != 0:
            last = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise MachineError(f"{self}: {last or f'a script ended with status {done.status}'}")
        return done.stdout.strip()

    def __str__(self) -> str:
        return "this machine" if self.is_local else self.address


def last_words(done: Completed) -> str:
    """What a command had to say in the end, in one line."""
    return " ".join((done.stderr or done.stdout).split()[-60:])


def unreachable(machine: Machine, stderr: str) -> MachineError:
    """The error for a machine to which ssh finds no way."""
    words = stderr.strip().splitlines()
    return MachineError(
        f"{machine} cannot be reached by ssh as {machine.user}: "
        f"{words[-1] if words else 'ssh gave no reason'}"
    )


def head_of(config: Config) -> Machine:
    """The cluster's head."""
    return Machine(config.head, config.ssh_user)


def all_of(config: Config) -> list[Machine]:
    """All of the cluster's machines, the head first."""
    return [Machine(address, config.ssh_user) for address in config.machines]


def on_each(
    machines: Iterable[Machine], action: Callable[[Machine], _Result]
) -> dict[Machine, _Result]:
    """Do something on several machines at once.

    Raises:
        Exception: what the action raised for the first machine that failed; the others finish.
    """
    wanted = list(machines)
    with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(wanted)))) as pool:
        found = [pool.submit(action, machine) for machine in wanted]
    return {machine: one.result() for machine, one in zip(wanted, found, strict=True)}


def require(machines: Iterable[Machine]) -> None:
    """Make sure that each machine can be reached and has an engine that answers.

    Raises:
        MachineError: the first that cannot or has not.
    """
    on_each(machines, _require)


def _require(machine: Machine) -> None:
    if not machine.is_local:
        machine.shell("true", timeout=30)
    done = machine.try_docker("version", "--format={{.Server.Version}}", timeout=30)
    if done.status != 0:
        raise MachineError(
            f"No Docker engine answers on {machine}: `provision` installs one. "
            f"({' '.join(done.stderr.split())[-200:]})"
        )


@contextmanager
def tunnel(machine: Machine, here: int, there: int) -> Iterator[None]:
    """A port of this machine's loopback that leads to one of another machine's loopback.

    Raises:
        MachineError: ssh finds no way, or the port here is taken.
    """
    if machine.is_local:
        raise ValueError("a tunnel leads to another machine")
    arguments = [
        *_SSH, *own_connection(), "-o", "ExitOnForwardFailure=yes", "-L",
        f"127.0.0.1:{here}:127.0.0.1:{there}", f"{machine.user}@{machine.address}",
        "echo ready; exec cat",  # it ends with the connection
    ]  # fmt: skip
    with process.started(arguments, stdin=PIPE, stderr=DEVNULL) as child:
        line = child.stdout.readline() if child.stdout else b""
        if line.strip() != b"ready":
            raise unreachable(machine, "the tunnel could not be made")
        yield


def own_connection() -> list[str]:
    """ssh options that keep a forwarding out of a connection that others share."""
    return ["-o", "ControlMaster=no", "-o", "ControlPath=none"]

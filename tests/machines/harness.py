"""Machines for tests: containers, each with an engine and an ssh server of its own."""

import contextlib
import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

from cfiddle_slurm import process
from cfiddle_slurm.process import Completed

HERE = Path(__file__).parent
IMAGE = "cfiddle-test-machine"
LABEL = "cfiddle-slurm.test-machine"
BASE = "debian:trixie-slim"
SECONDS = 600.0
HOME_SIZE = "1g"
_CAPABILITIES = Path("/proc/self/status")
_UNCONFINED = ("seccomp", "apparmor", "systempaths")
_SSH_CONFIG = """\
Host *
  IdentityFile {key}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ControlMaster auto
  ControlPath {folder}/c-%C
  ControlPersist 20
"""


def docker(*arguments: str, timeout: float = SECONDS) -> str:
    """What a docker command for this machine's own engine prints."""
    return process.check(["docker", *arguments], timeout=timeout).strip()


def capabilities() -> list[str]:
    """Options that give a container all capabilities which this machine has to give.

    Where one is missing, Docker's own ``--privileged`` fails as a whole.
    """
    bounding = next(
        int(line.split()[1], 16)
        for line in _CAPABILITIES.read_text().splitlines()
        if line.startswith("CapBnd:")
    )
    names = (HERE / "capabilities.txt").read_text().split()
    return [f"--cap-add={name}" for bit, name in enumerate(names) if bounding >> bit & 1]


def remove_cgroups(name: str) -> None:
    """What a machine's engine has left in the tree of cgroups that it shared with this machine."""
    for top in Path("/sys/fs/cgroup").glob(f"*/{name}"):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


class Machines:
    """Machines on one network, with one shared folder as their /srv/home.

    Args:
        folder: for the ssh key, its configuration and the cluster's file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"cfiddle-test-{os.getpid()}"
        self.file = folder / "cluster.toml"
        self._names: list[str] = []
        self.environment = dict(os.environ)

    def prepare(self) -> None:
        """Make the image, the network, and a way for ssh."""
        build = ["build", "--quiet", "--tag", IMAGE, "--file", str(HERE / "machine.Dockerfile")]
        process.check(
            ["docker", *build, str(HERE)], timeout=SECONDS,
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
        docker("network", "create", f"--label={LABEL}", self.name)
        # A file system of its own, so that it can be full, and be made read-only.
        docker(
            "volume", "create", "--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs",
            f"--opt=o=size={HOME_SIZE},mode=755", f"--label={LABEL}", f"{self.name}-home",
        )  # fmt: skip
        key = self.folder / "key"
        process.check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], timeout=60)
        config = self.folder / "ssh_config"
        config.write_text(_SSH_CONFIG.format(key=key, folder=self.folder))
        # Docker calls whatever `ssh` is on the PATH; nothing of the caller's own ~/.ssh is touched.
        ssh = self.folder / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{config}" "$@"\n')
        ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
        self.environment["PATH"] = f"{ssh.parent}:{os.environ['PATH']}"
        self.environment["PYTHONWARNINGS"] = "ignore"

    def start(self, name: str, hostname: str = "") -> str:
        """Start a machine. Returns its address.

        Args:
            hostname: what it calls itself, if that is not its name.
        """
        full = f"{self.name}-{name}"
        docker(
            "run", "--detach", f"--name={full}", f"--hostname={hostname or name}",
            f"--network={self.name}",
            f"--label={LABEL}", "--tmpfs=/run", "--volume=/sys/fs/cgroup:/sys/fs/cgroup",
            f"--volume={full}:/var/lib/docker", f"--volume={self.name}-home:/srv/home",
            *self._on_a_cpu_of_its_own(name),
            f"--env=AUTHORIZED_KEY={(self.folder / 'key.pub').read_text().strip()}",
            *(f"--security-opt={what}=unconfined" for what in _UNCONFINED),
            *capabilities(), IMAGE,
        )  # fmt: skip
        self._names.append(name)
        self.wait_for_engine(name)
        return self.address(name)

    def _on_a_cpu_of_its_own(self, name: str) -> list[str]:
        """Options that give a worker one processor, so that workers do not disturb each other."""
        cpus = sorted(os.sched_getaffinity(0))
        if not name.startswith("w") or len(cpus) < 2:
            return []
        cpu = cpus[int(name[1:]) % len(cpus)]
        return [f"--env=CPU={cpu}", f"--env=CGROUP={self.name}-{name}", f"--cpuset-cpus={cpu}"]

    def wait_for_engine(self, name: str) -> None:
        """Wait until a machine has booted."""
        give_up = time.monotonic() + 60
        inside = ["docker", "exec", f"{self.name}-{name}", "docker", "version"]
        while process.run(inside, timeout=60).status != 0:
            assert time.monotonic() < give_up, docker("logs", f"{self.name}-{name}")
            time.sleep(0.2)

    def address(self, name: str) -> str:
        """A machine's address on the network of all."""
        template = f'{{{{(index .NetworkSettings.Networks "{self.name}").IPAddress}}}}'
        return docker("inspect", f"--format={template}", f"{self.name}-{name}")

    def on(self, name: str, *command: str) -> str:
        """What a command prints on a machine."""
        return docker("exec", f"{self.name}-{name}", *command)

    def execute(self, name: str, script: str) -> str:
        """What a shell script prints on a machine."""
        return self.on(name, "sh", "-c", script)

    def arguments_on(self, name: str, *command: str) -> list[str]:
        """The command that executes a command on a machine."""
        return ["docker", "exec", "--interactive", f"{self.name}-{name}", *command]

    def on_service(self, name: str, service: str, *command: str) -> str:
        """What a command prints in the container of a cluster's service on a machine."""
        return self.on(name, "docker", "exec", self.container(name, service), *command)

    def inside(self, name: str, service: str, script: str) -> str:
        """What a script prints that root executes with a service's view of the files."""
        container = self.container(name, service)
        pid = self.on(name, "docker", "inspect", "--format={{.State.Pid}}", container).strip()
        view = ("nsenter", f"--target={pid}", "--mount", "--pid")
        return self.on(name, *view, "sh", "-c", script)

    def container(self, name: str, service: str) -> str:
        """The newest container of a cluster's service on a machine, or an empty text."""
        label = f"--filter=label=com.docker.swarm.service.name=cfiddle_{service}"
        return "".join(self.on(name, "docker", "ps", "--quiet", label).split()[:1])

    def bring_base(self, name: str) -> None:
        """Give a machine Debian's image, as if it had a registry to fetch it from."""
        done = process.pipe(
            ["docker", "save", BASE],
            ["docker", "exec", "--interactive", f"{self.name}-{name}", "docker", "load", "--quiet"],
            timeout=SECONDS,
        )
        assert done.status == 0, done.stderr

    def kill(self, name: str) -> None:
        """Cut a machine's power."""
        docker("kill", f"{self.name}-{name}")

    def boot(self, name: str) -> None:
        """Switch a machine on again; it may have another address then."""
        docker("start", f"{self.name}-{name}")
        self.wait_for_engine(name)

    def cluster(
        self,
        *words: str,
        timeout: float = SECONDS,
        input: bytes | None = None,  # noqa: A002 - as in subprocess
    ) -> Completed:
        """Run ``python -m cfiddle_slurm.cluster`` with the machines' file."""
        return process.run(self.command(*words), timeout=timeout, input=input, env=self.environment)

    def command(self, *words: str) -> list[str]:
        """The arguments of ``python -m cfiddle_slurm.cluster`` with the machines' file."""
        module = [sys.executable, "-m", "cfiddle_slurm.cluster"]
        return [*module, "--config", str(self.file), *words]

    def check(self, *words: str, timeout: float = SECONDS) -> str:
        """As :meth:`cluster`, for a command that is expected to succeed; what it printed."""
        done = self.cluster(*words, timeout=timeout)
        assert done.status == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What ``status`` says of the cluster."""
        facts: dict[str, Any] = json.loads(self.cluster("status", "--json").stdout)
        return facts

    def discard(self, name: str) -> None:
        """Remove a machine and what is on it."""
        self._names.remove(name)
        process.run(["docker", "rm", "--force", f"{self.name}-{name}"], timeout=SECONDS)
        remove_cgroups(f"{self.name}-{name}")
        process.run(["docker", "volume", "rm", f"{self.name}-{name}"], timeout=SECONDS)

    def remove(self) -> None:
        """Remove all that was made, by name and label."""
        for socket in self.folder.glob("c-*"):
            process.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "x"], timeout=30)
        for name in list(self._names):
            self.discard(name)
        process.run(["docker", "volume", "rm", f"{self.name}-home"], timeout=SECONDS)
        process.run(["docker", "network", "rm", self.name], timeout=SECONDS)

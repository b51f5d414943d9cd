"""Stand-ins for the programs ``docker``, ``ssh`` and ``sudo``, before real ones on the PATH."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts import lock
from cfiddle_slurm.cluster.hosts.machines import Machine
from tests.unit.cluster.recorder import Recorder

LUA = next(filter(None, map(shutil.which, ("lua5.1", "lua5.4", "lua"))), None)
collect_ignore = [] if LUA else ["test_job_submit_lua.py"]
HEAD = Machine()
WORKER = Machine("w1")
AT_WORKER = f"--host=ssh://root@{WORKER.address}"
"""How a docker command for the worker begins."""
BEHAVE_LIKE_SSH = 'for last; do :; done; sh -c "$last" <"$n/input"'
"""As sshd does it: the last argument is a command line for a shell."""


class Program:
    """Answers as a test says, fails at anything else, and remembers what it was called with."""

    def __init__(self, folder: Path, name: str) -> None:
        self._program, self._calls = folder / name, folder / f"calls of {name}"
        self._calls.mkdir(exist_ok=True)
        self._answers: list[str] = []
        self._write()

    def answers(self, words: str, script: str = "", *, reads: bool = True) -> None:
        """Have a shell script answer calls whose arguments fit; ``*`` in them is anything.

        The newest answer that fits is given. A script can tell the next call by files of its own
        in the current directory; what it read from its standard input is in ``"$n/input"``.

        Args:
            reads: whether it reads its input to the end before it does anything.
        """
        pattern = re.sub(r"[^*\w]", lambda found: f"\\{found[0]}", words)
        read = 'cat >"$n/input"\n' if reads else ""
        self._answers.insert(0, f"{pattern})\n{read}{script or ':'}\n;;")
        self._write()

    def _write(self) -> None:
        answers = "\n".join(self._answers)
        self._program.write_text(
            "#!/bin/sh\n"
            f'calls="{self._calls}"; i=100\n'
            'while [ -e "$calls/$i" ]; do i=$((i + 1)); done\n'
            # Several machines are asked at once: whoever makes the folder has the number.
            'until mkdir "$calls/$i" 2>/dev/null; do i=$((i + 1)); done\n'
            'n="$calls/$i"\n'
            'printf "%s\\0" "$@" >"$n/arguments"\n'
            f'case "$*" in\n{answers}\n'
            '*) echo "unexpected: $*" >&2; exit 99;;\nesac\n'
        )
        self._program.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        texts = [(call / "arguments").read_text() for call in sorted(self._calls.iterdir())]
        return [text.split("\0")[:-1] for text in texts]

    @property
    def lines(self) -> list[str]:
        """The same, each call as one text."""
        return [" ".join(call) for call in self.calls]

    def those(self, word: str) -> list[str]:
        """The calls that have this argument, each as one text."""
        return [" ".join(call) for call in self.calls if word in call]

    def input_of(self, *arguments: str) -> bytes:
        """What the call with these arguments read from its standard input."""
        return (
            sorted(self._calls.iterdir())[self.calls.index([*arguments])] / "input"
        ).read_bytes()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-ins. A test that uses it finds none of the real programs."""
    folder = tmp_path / "stand-in programs"
    folder.mkdir()
    for name in ("docker", "ssh", "sudo"):
        Program(folder, name)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def docker(programs: Path) -> Program:
    """An engine's program; it gets commands for all machines."""
    return Program(programs, "docker")


@pytest.fixture
def ssh(programs: Path) -> Program:
    """The program that reaches other machines."""
    return Program(programs, "ssh")


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that held the head's lock; none is taken for real."""
    taken: list[str] = []

    @contextmanager
    def held(head: Machine, what: str) -> Iterator[None]:
        taken.append(what)
        yield

    monkeypatch.setattr(lock, "held", held)
    return taken


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """For functions whose work is not to be done."""
    return Recorder(monkeypatch)

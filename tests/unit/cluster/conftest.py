"""A stand-in for the program ``docker``, found on the PATH before any real one."""

import re
from pathlib import Path

import pytest


class Docker:
    """Answers as a test says, fails at anything else, and remembers what it was called with."""

    def __init__(self, folder: Path) -> None:
        self._program, self._calls = folder / "docker", folder / "calls"
        self._calls.mkdir()
        self._answers: list[str] = []
        self._write()

    def answers(self, words: str, script: str = "") -> None:
        """Have a shell script answer calls whose arguments fit; ``*`` in them is anything.

        The newest answer that fits is given. A script can tell the next call by files of its own
        in the current directory.
        """
        pattern = re.sub(r"[^*\w]", lambda found: f"\\{found[0]}", words)
        self._answers.insert(0, f"{pattern})\n{script or ':'}\n;;")
        self._write()

    def _write(self) -> None:
        answers = "\n".join(self._answers)
        self._program.write_text(
            "#!/bin/sh\n"
            f'cd "{self._calls}"; n="$PWD/$(printf %03d "$(ls | wc -l)")"; cd "$OLDPWD"\n'
            'mkdir "$n"\n'
            'printf "%s\\0" "$@" >"$n/arguments"\n'
            'cat >"$n/input"\n'
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

    def input_of(self, *arguments: str) -> bytes:
        """What the call with these arguments read from its standard input."""
        return (
            sorted(self._calls.iterdir())[self.calls.index([*arguments])] / "input"
        ).read_bytes()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "docker program"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return Docker(folder)

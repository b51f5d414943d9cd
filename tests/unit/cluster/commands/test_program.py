"""The command line as such: help, version, completion, typing errors, and how it speaks."""

import io
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

from cfiddle_slurm import __version__, process
from cfiddle_slurm.cluster.__main__ import main
from cfiddle_slurm.cluster.commands import common
from cfiddle_slurm.printable import printable
from tests.unit.cluster.conftest import Program

EXTRA = ("click", "docker", "paramiko", "rich", "tomlkit")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def every_command() -> list[list[str]]:
    found: list[list[str]] = []

    def walk(command: click.Command, path: list[str]) -> None:
        found.append(path)
        for name, below in getattr(command, "commands", {}).items():
            walk(below, [*path, name])

    walk(main, [])
    return found


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_explains_itself(path: list[str]) -> None:
    for option in ("-h", "--help"):
        result = call(*path, option)
        assert result.exit_code == 0
        assert "Usage:" in result.output and "  Show this message and exit." in result.output
        assert max(map(len, result.output.splitlines())) <= 80


def test_its_version() -> None:
    assert call("--version").output == f"cfiddle-cluster, version {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_its_words(shell: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0
    assert "_CFIDDLE_CLUSTER_COMPLETE" in result.output


def test_bash_is_given_the_commands(tmp_path: Path) -> None:
    """As bash asks for them when TAB is pressed."""
    done = process.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'cfiddle-cluster';"
         "from cfiddle_slurm.cluster.__main__ import main; main()"],
        timeout=60,
        env={"_CFIDDLE_CLUSTER_COMPLETE": "bash_complete", "COMP_CWORD": "2",
             "COMP_WORDS": "cfiddle-cluster images b", "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.stdout.split() == ["plain,build"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["statsu"], "There is no command 'statsu'. Did you mean 'status'?"),
        (["provison"], "Did you mean 'provision'?"),
        (["images", "biuld"], "There is no command 'biuld'. Did you mean 'build'?"),
        (["worker", "frobnicate"], "The commands are add, drain, remove, resume."),
        (["x\x1b]0;t\x07"], r"There is no command 'x\x1b]0;t\x07'."),
        (["status", "--jsn"], "--json"),
    ],
)
def test_a_typing_error_is_understood(arguments: list[str], words: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert words in result.output


def printed(*what: object, width: int = 60) -> str:
    screen = io.StringIO()
    console = common.PrintableConsole(
        file=screen, force_terminal=True, width=width, emoji=False, highlight=False
    )
    console.print(*what)
    return screen.getvalue()


def test_no_text_is_obeyed_by_the_terminal() -> None:
    table = Table("what\x1b[2J")
    table.add_row("a\x1b]52;c;eA==\x07b\u202e", style="red")
    for what in ("x\x1b]0;PWNED\x07\r", table):
        out = printed(what)
        assert "\\x1b" in out and "\\x07" in out
        assert not set(out) & {"\x07", "\u202e", "\r"}
        # What is left are the console's own colours.
        assert all(part[0] == "[" and "m" in part for part in out.split("\x1b")[1:])
    # What is written out has its place in the table.
    rows = printed(table).splitlines()
    assert len({len(row) for row in rows if "\x1b" not in row}) == 1


@given(st.text(max_size=40))
def test_any_text_is_printed_and_nothing_else(text: str) -> None:
    screen = io.StringIO()
    console = common.PrintableConsole(file=screen, width=400, emoji=False, highlight=False)
    table = Table("a", show_edge=False)
    table.add_row(escape(text))
    console.print(text, markup=False, soft_wrap=True)
    console.print(table)
    out = screen.getvalue()
    assert printable(out) == out


def test_errors_are_fit_to_be_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cluster.toml").write_text('"x\\u001b]0;PWNED\\u0007" = 1\n')
    result = call("check")
    assert result.exit_code == 1
    assert "\x1b" not in result.output and "PWNED" in result.output


def test_dockers_advice_is_not_handed_on(docker: Program) -> None:
    words = "Error response from daemon: This node is not a swarm manager. Use docker swarm init"
    docker.answers("*", f"echo {words!r} >&2; exit 1")
    for command in (["logs", "controller"], ["shell", "user"], ["worker", "drain", "w1"]):
        result = call(*command)
        assert (result.exit_code, result.output) == (
            1, "Error: The cluster is not up: `up` starts it.\n",
        )  # fmt: skip


def test_a_row_stays_a_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    screen = io.StringIO()
    table = Table("a", "b")
    table.add_row("x" * 60, "y" * 60)
    common.PrintableConsole(file=screen).print(table)
    (row,) = [line for line in screen.getvalue().splitlines() if "x" in line]
    assert row.split() == ["│", "x" * 60, "│", "y" * 60, "│"]


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extra!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
import runpy
sys.argv = ["cfiddle-cluster", "--help"]
if {as_module}:
    runpy.run_module("cfiddle_slurm.cluster", run_name="__main__", alter_sys=True)
from cfiddle_slurm.cluster.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("as_module", [True, False])
@pytest.mark.parametrize("extra", [EXTRA, ("tomlkit",)])
def test_without_its_extra_it_names_it(extra: tuple[str, ...], as_module: bool) -> None:
    program = BLOCKED.format(extra=extra, as_module=as_module)
    done = process.run([sys.executable, "-c", program], timeout=60)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'cfiddle_slurm[cluster]'" in done.stderr


def test_another_missing_module_is_a_fault() -> None:
    program = BLOCKED.format(extra=("fcntl",), as_module=False)
    done = process.run([sys.executable, "-c", program], timeout=60)
    assert "ModuleNotFoundError" in done.stderr


def test_a_pipe_gets_line_by_line_in_order() -> None:
    program = """
import sys
from click.testing import CliRunner
from cfiddle_slurm.cluster.__main__ import main
from cfiddle_slurm.cluster.commands.common import say
main(["completion", "fish"], standalone_mode=False)
say("one"); print("two"); print("three", file=sys.stderr); say("four"); print("five")
"""
    with process.started([sys.executable, "-c", program], stderr=subprocess.STDOUT) as child:
        out = child.communicate(timeout=60)[0].decode().split()
    assert out[-5:] == ["one", "two", "three", "four", "five"]

"""A command inside takes this one's place; a log is shown as it comes, and nothing obeys it."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import process
from cfiddle_slurm.cluster.__main__ import main
from cfiddle_slurm.cluster.commands import inside
from cfiddle_slurm.printable import printable
from tests.unit.cluster.conftest import Program

HOSTILE = "slurmctld: x\x1b]0;PWNED\x07 \x9b31m \u202e \r\ufeff"


def test_a_command_takes_this_processs_place(
    docker: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.answers("ps *", "echo c0ffee")
    docker.answers("exec c0ffee getent *", "echo ann:x:1001:1005::/home/ann:/bin/bash")
    replaced: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execvp", lambda name, arguments: replaced.append((name, arguments)))
    CliRunner().invoke(main, ["run", "ann", "id", "--user"])
    ((name, arguments),) = replaced
    assert name == arguments[0] == "docker"
    assert arguments[-3:] == ["ann", "id", "--user"]
    assert "--tty" not in arguments  # this standard input is no terminal


def shown(script: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = inside.show([sys.executable, "-c", script])
    return status, capsys.readouterr().out


def test_control_sequences_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    script = f"import sys; sys.stderr.write({HOSTILE!r}); print('next', end='\\r\\n'); sys.exit(3)"
    status, out = shown(f"import os; os.environ['PYTHONUTF8']='1'; {script}", capsys)
    assert status == 3
    assert r"x\x1b]0;PWNED\x07 \x9b31m \u202e \x0d" in out
    assert "next\n" in out
    assert not set(out) & {"\x1b", "\x07", "\x9b", "\r"}


def test_what_is_no_text_is_shown_even_so(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = shown(r"import os; os.write(1, b'a\xff\xe4b\n\xc3')", capsys)
    assert out == "a\ufffd\ufffdb\n\ufffd"


@given(st.binary(max_size=300), st.integers(1, 20))
def test_any_bytes_come_out_in_whole_characters(data: bytes, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inside, "_LONGEST", longest)
        text = "".join(inside.pieces(io.BytesIO(data)))
    assert text.replace("\r\n", "\n") == data.decode(errors="replace").replace("\r\n", "\n")
    assert printable(text) == "".join(map(printable, [text]))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_line_is_shown_when_it_is_written(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Through a pipe, as `logs --follow SERVICE | tee` has it."""
    there, here = pipe
    go_on = tmp_path / "go on"
    script = f"""
import os, time
print("first", flush=True)
while not os.path.exists({str(go_on)!r}):
    time.sleep(0.01)
print("second", flush=True)
"""
    program = f"""
import sys
from cfiddle_slurm.cluster.commands import inside
sys.exit(inside.show([sys.executable, "-c", {script!r}]))
"""
    child = process.start([sys.executable, "-c", program], stdout=here)
    watchdog = threading.Timer(60, process.end_group, [child])
    watchdog.start()
    try:
        assert os.read(there, 100) == b"first\n"
        go_on.touch()
        assert os.read(there, 100) == b"second\n"
        assert child.wait(60) == 0
    finally:
        watchdog.cancel()
        process.end_group(child)


@pytest.mark.parametrize(
    ("last", "status"),
    [("error: warning: incomplete log stream. task x has not been scheduled", 0), ("error: x", 7)],
)
def test_what_cannot_be_shown_of_a_task_that_never_ran_is_no_failure(
    last: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f"print('all there is'); print({last!r}); print(); raise SystemExit(7)"
    assert inside.show([sys.executable, "-c", script]) == status
    assert capfd.readouterr().out == f"all there is\n{last}\n\n"

"""The gateway for programs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cfiddle_slurm import process


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_what_a_program_says() -> None:
    done = process.run(shell("cat; echo oops >&2; exit 3"), timeout=10, input=b"hello")
    assert (done.status, done.stdout, done.stderr) == (3, "hello", "oops\n")
    assert done.arguments[0] == "sh"


def test_arguments_are_never_a_shells() -> None:
    assert process.check(["echo", "$(id); `id` && 'x'"], timeout=10) == "$(id); `id` && 'x'\n"


def test_environment_and_folder(tmp_path: Path) -> None:
    done = process.run(
        [sys.executable, "-c", "import os; print(os.environ['A'], os.getcwd())"],
        timeout=10, env={"A": "b"}, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.split() == ["b", str(tmp_path)]


def test_a_program_that_takes_too_long_dies_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(process.CommandTimeout, match=r"sh did not end within 0\.3 s") as caught:
        process.run(shell(f"sleep 100 & echo $! >{file}; echo words >&2; wait"), timeout=0.3)
    assert caught.value.stderr == "words\n"
    assert gone(int(file.read_text()))


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # dead; nobody has asked for its status yet
            return True
        time.sleep(0.05)
    return False


def test_programs_that_are_not_there(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    for program in ("/does/not/exist", str(plain)):
        with pytest.raises(process.CommandMissing, match="cannot be started"):
            process.run([program], timeout=5)


def test_a_failure_is_told_with_the_last_words() -> None:
    with pytest.raises(process.CommandFailed, match="exit status 4: it is so") as caught:
        process.check(shell("echo it is so >&2; exit 4"), timeout=5)
    assert isinstance(caught.value, process.ProcessError)


def test_lines_come_as_they_are_printed() -> None:
    lines: list[str] = []
    assert process.stream(shell("echo a; echo b >&2; exit 5"), lines.append, timeout=10) == 5
    assert lines == ["a", "b"]


def test_a_stream_ends_in_time() -> None:
    with pytest.raises(process.CommandTimeout):
        process.stream(shell("sleep 100"), print, timeout=0.3)


def test_output_without_end_does_not_fill_memory() -> None:
    done = process.run(shell("head -c 40000000 /dev/zero"), timeout=60)
    assert len(done.stdout) == 16 << 20


def test_a_started_program_has_its_own_group() -> None:
    child = process.start(shell("sleep 100"), stdout=subprocess.DEVNULL)
    try:
        assert os.getpgid(child.pid) == child.pid
    finally:
        process.end_group(child)
    assert child.returncode == -9
    process.end_group(child)  # once more is no trouble

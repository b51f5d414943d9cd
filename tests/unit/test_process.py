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


def test_last_words_are_one_line_that_fits_into_a_sentence() -> None:
    def said(stderr: str, stdout: str = "") -> str:
        return process.Completed(("x",), 1, stdout, stderr).last_words

    assert said("a\n  b\x1b[2J\n", "c") == "a b\\x1b[2J"
    assert said(" \n", "c\n") == "c"
    assert said("") == ""
    long = said(f"the beginning {'word ' * 1000}the end")
    assert long.startswith("... word ") and long.endswith("the end") and len(long) <= 404
    assert len(said("x" * 100_000)) == 404


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


def test_one_program_feeds_another() -> None:
    done = process.pipe(shell("printf 'a\\0b'; echo aside >&2"), ["od", "-An", "-c"], timeout=30)
    assert (done.status, done.stdout.split()) == (0, ["a", "\\0", "b"])
    assert done.arguments[0] == "od"


def test_much_more_than_a_pipe_holds_gets_through() -> None:
    done = process.pipe(shell("head -c 5000000 /dev/zero"), ["wc", "-c"], timeout=60)
    assert done.stdout.strip() == "5000000"


def test_the_program_that_failed_is_the_one_that_is_told() -> None:
    done = process.pipe(shell("echo x; echo broken >&2; exit 3"), ["cat"], timeout=30)
    assert (done.status, done.stderr) == (3, "broken\n")
    assert done.arguments[0] == "sh"
    done = process.pipe(["true"], shell("cat; echo full >&2; exit 4"), timeout=30)
    assert (done.status, done.stderr) == (4, "full\n")
    both = process.pipe(shell("echo broken >&2; exit 3"), shell("cat; exit 4"), timeout=30)
    assert both.status == 4


def test_a_pipe_ends_in_time_on_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(process.CommandTimeout, match="cat did not end within"):
        process.pipe(shell(f"echo $$ >{file}; exec sleep 100"), ["cat"], timeout=1.5)
    assert gone(int(file.read_text()))


def test_a_pipe_to_or_from_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(process.CommandMissing, match="/no/source"):
        process.pipe(["/no/source"], ["cat"], timeout=10)
    file = tmp_path / "pid"
    with pytest.raises(process.CommandMissing, match="/no/sink"):
        process.pipe(shell(f"echo $$ >{file}; exec sleep 100"), ["/no/sink"], timeout=10)


def test_a_program_is_there_for_the_time_of_a_block() -> None:
    with process.started(["cat"], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(b"line\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"line\n"
        assert child.poll() is None
    assert child.returncode == -9
    assert child.stdin.closed and child.stdout.closed


def test_an_error_in_the_block_ends_the_program_as_well() -> None:
    with pytest.raises(RuntimeError, match="mine"), process.started(["sleep", "100"]) as child:
        raise RuntimeError("mine")
    assert child.returncode == -9

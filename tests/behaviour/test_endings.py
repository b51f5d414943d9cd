"""Each way a run can go wrong gives an error of its own."""

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cfiddle
import pytest
from cfiddle import arg_map
from cfiddle.Runner import IncorrectArgumentType, MissingArgument, RunnerException, UnusedArgument

import cfiddle_slurm
from cfiddle_slurm import errors

ENDINGS = """
#include <stdio.h>
#include <stdlib.h>
#include <stdexcept>
#include <unistd.h>
extern "C" int fine(int n)
{ printf("fine %d\\n", n); return n; }
extern "C" int crash(int n)
{ if (n == 3) *(volatile int *)0 = 1; return n; }
extern "C" int give_up(int n)
{ abort(); }
extern "C" int leave(int n)
{ exit(n); }
extern "C" int raise_it(int n)
{ throw std::runtime_error("nobody catches this"); }
extern "C" int spin(int n)
{ for (volatile int i = 0;; i++); return n; }
extern "C" int flood(int n) {
    static char line[1 << 16];
    for (size_t i = 0; i < sizeof line; i++) line[i] = 'x';
    for (int i = 0; i < n * 16384; i++) fwrite(line, 1, sizeof line, stdout);
    return n;
}
"""


@pytest.fixture
def endings(compiled: Callable[..., Any]) -> Any:
    return compiled(ENDINGS)


@pytest.mark.parametrize("ends", ["exit(1);", "return fgetc(file);"], ids=["exits", "crashes"])
def test_a_file_that_was_not_sent_is_named_as_a_cause(
    compiled: Callable[..., Any], configured: Any, ends: str
) -> None:
    reads = compiled(f"""
        #include <stdio.h>
        #include <stdlib.h>
        extern "C" int reads(int n) {{
            FILE *file = fopen("data.txt", "r");
            if (!file) {ends}
            return n;
        }}""")
    configured()
    with pytest.raises((errors.Exited, errors.Crashed), match="only if input_files names it"):
        cfiddle.run(reads, "reads", arg_map(n=1))


def test_a_segfault_names_its_signal_and_keeps_what_was_finished(
    endings: Any, configured: Any
) -> None:
    configured()
    with pytest.raises(errors.Crashed, match="SIGSEGV") as caught:
        cfiddle.run(endings, "crash", arg_map(n=[1, 2, 3, 4]))
    assert caught.value.signal_name == "SIGSEGV"
    assert [r.return_value for r in caught.value.partial_results] == [1, 2]
    assert [r.invocation.arguments for r in caught.value.partial_results] == [{"n": 1}, {"n": 2}]
    assert list(caught.value.partial_results.as_df()["n"]) == [1, 2]
    assert isinstance(caught.value, cfiddle.CFiddleException)
    assert caught.value.job_id and caught.value.node
    assert caught.value.report.exit_reason is not None
    assert "SIGSEGV" in caught.value.report.exit_reason
    assert caught.value.report is cfiddle_slurm.last_report()


@pytest.mark.parametrize("function", ["give_up", "raise_it"])
def test_abort_and_a_cpp_exception_are_sigabrt(
    endings: Any, configured: Any, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    with pytest.raises(errors.Crashed, match="SIGABRT"):
        cfiddle.run(endings, function, arg_map(n=1))
    if function == "raise_it":
        assert "nobody catches this" in capsys.readouterr().out


@pytest.mark.parametrize("code", [0, 3])
def test_exit_is_told_with_its_code(endings: Any, configured: Any, code: int) -> None:
    configured()
    with pytest.raises(errors.Exited) as caught:
        cfiddle.run(endings, "leave", arg_map(n=code))
    assert caught.value.code == code
    assert f"exit({code})" in str(caught.value)


def test_an_endless_loop_ends_at_the_time_limit(endings: Any, configured: Any) -> None:
    configured(time_limit=3)
    began = time.monotonic()
    with pytest.raises(errors.WallTimeLimit):
        cfiddle.run(endings, "spin", arg_map(n=1))
    assert time.monotonic() - began < 60


def test_a_flood_of_output_ends_the_run(
    endings: Any, configured: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    with pytest.raises(errors.OutputLimit):
        cfiddle.run(endings, "flood", arg_map(n=1))
    assert len(capsys.readouterr().out) <= 8 << 20


def test_what_the_experiment_prints_is_shown_while_it_runs(
    compiled: Any, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chatty = compiled("""
        #include <stdio.h>
        #include <unistd.h>
        extern "C" int talk(int n) {
            printf("first\\n"); sleep(3);
            fprintf(stderr, "second\\n"); return n;
        }
    """)
    heard: list[tuple[str, float]] = []

    class Listener:
        def write(self, text: str) -> int:
            heard.extend((line, time.monotonic()) for line in text.splitlines() if line)
            return len(text)

        def flush(self) -> None: ...

    configured()
    monkeypatch.setattr("sys.stdout", Listener())
    cfiddle.run(chatty, "talk", arg_map(n=1))
    assert [line for line, _ in heard] == ["first", "second"]
    assert heard[1][1] - heard[0][1] > 1.5


def test_mistakes_are_found_before_anything_is_submitted(
    endings: Any, configured: Any, jobs: Any
) -> None:
    configured()
    for error, word, function, arguments in (
        (RunnerException, "finee", "finee", arg_map(n=1)),
        (MissingArgument, "n", "fine", arg_map()),
        (UnusedArgument, "m", "fine", arg_map(n=1, m=2)),
        (IncorrectArgumentType, "one", "fine", arg_map(n="one")),
    ):
        with pytest.raises(error, match=rf"\b{word}\b"):
            cfiddle.run(endings, function, arguments)
    assert not jobs.exists() or not [p for p in jobs.iterdir() if not (p / "failed.txt").exists()]


def test_a_function_that_only_the_c_library_has_is_not_called(
    compiled: Any, configured: Any
) -> None:
    shadow = compiled("int getpid(int n) { return n; }")
    configured()
    with pytest.raises(RunnerException, match="getpid"):
        cfiddle.run(shadow, "getpid", arg_map(n=1))


@pytest.mark.parametrize(
    "options",
    [
        {"input_files": ["no such file.txt"]},
        {"input_files": ["/etc/hostname"]},
        {"input_files": ["../*"]},
        {"output_files": ["../*"]},
    ],
)
def test_files_outside_or_absent_are_refused(
    endings: Any, configured: Any, options: dict[str, Any]
) -> None:
    configured(**options)
    with pytest.raises(errors.InputError):
        cfiddle.run(endings, "fine", arg_map(n=1))


def test_an_input_that_cannot_be_read_is_named(
    endings: Any, configured: Any, workplace: Any
) -> None:
    os.mkfifo(workplace / "pipe")
    configured(input_files=["pipe"])
    with pytest.raises(errors.InputError, match="pipe"):
        cfiddle.run(endings, "fine", arg_map(n=1))


@pytest.mark.cluster  # in a local test the user may be root, who can read everything
def test_an_input_without_permission_is_named(
    endings: Any, configured: Any, workplace: Any
) -> None:
    (workplace / "closed").write_text("secret")
    (workplace / "closed").chmod(0)
    configured(input_files=["closed"])
    with pytest.raises(errors.InputError, match=r"Permission denied.*closed"):
        cfiddle.run(endings, "fine", arg_map(n=1))


def test_versions_that_differ_are_refused(
    endings: Any, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfiddle_slurm.sandbox.versions.__version__", "99.0")
    configured()
    with pytest.raises(errors.VersionMismatch, match=r"cfiddle_slurm 99\.0 in the notebook"):
        cfiddle.run(endings, "fine", arg_map(n=1))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as a notebook has it; a shell starts what runs in its background with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_stop_ends_the_run_and_then_raises(endings: Any, configured: Any, jobs: Any) -> None:
    configured()
    timer = threading.Timer(3.0, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        cfiddle.run(endings, "spin", arg_map(n=1))
    timer.join()
    # The fixture checks that no job directory is left; the next run finds a free machine.
    assert cfiddle.run(endings, "fine", arg_map(n=7))[0].return_value == 7


def test_failed_runs_are_kept_up_to_the_newest_few(
    endings: Any, configured: Any, jobs: Any
) -> None:
    configured(keep_failed=2)
    for _ in range(3):
        with pytest.raises(errors.Exited):
            cfiddle.run(endings, "leave", arg_map(n=1))
    kept = [path for path in jobs.iterdir() if (path / "failed.txt").exists()]
    assert len(kept) == 2
    assert all("exit(1)" in (path / "failed.txt").read_text() for path in kept)
    configured(keep_failed=0)
    with pytest.raises(errors.Exited):
        cfiddle.run(endings, "leave", arg_map(n=1))
    assert list(jobs.iterdir()) == []

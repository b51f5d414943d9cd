"""Each way an experiment can end has its own kind, comes soon, and leaves nothing behind."""

import re
import time
from pathlib import Path

import pytest

from tests.sandbox.harness import POLICY, Experiments, Sandboxd

pytestmark = pytest.mark.docker
MIB = 1 << 20


def test_a_good_run(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run(experiments.bundle("loop", 10, 1000))
    report = job.report()
    assert report["outcome"] == {"kind": "ok", "message": "", "signal": None, "code": None}
    assert job.output == "n=10\nn=1000\n"
    assert (job.folder / "result.tar").stat().st_size > 0
    assert len(report["container"]) == 12
    assert report["cores"] and report["run_id"] == job.run_id and report["job_id"] == job.job_id
    assert report["guest"]["perf"]["status"] in ("works", "no_pmu")
    measured = report["measured"]
    assert 0 < measured["startup_seconds"] < 5 and 0 < measured["wall_seconds"] < 10
    assert MIB < measured["memory_peak_bytes"] <= 256 * MIB
    assert report["versions"]["docker"] and report["versions"]["kernel"]


def test_ten_runs_have_ten_containers(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("loop", 1)
    reports = [sandboxd.run(bundle).report() for _ in range(10)]
    assert {report["outcome"]["kind"] for report in reports} == {"ok"}
    assert len({report["container"] for report in reports}) == 10


def test_all_output_arrives_before_the_status(sandboxd: Sandboxd, experiments: Experiments) -> None:
    for size in (64, 64_000, 4 * MIB):
        job = sandboxd.run(experiments.bundle("say", size, name="bytes"))
        assert job.kind() == "ok"
        lines = job.output.splitlines()
        assert len(lines) == size // 64
        assert int(lines[-1]) == size - 64


@pytest.mark.parametrize(
    ("function", "value", "name", "kind", "signal", "code"),
    [
        ("crash", 1, "n", "signal", "SIGSEGV", None),
        ("call_abort", 1, "n", "signal", "SIGABRT", None),
        ("throw_out", 1, "n", "signal", "SIGABRT", None),
        ("call_exit", 3, "code", "exited", None, 3),
        ("call_exit", 0, "code", "exited", None, 0),
        ("eat_memory", 1, "n", "memory", None, None),
        ("eat_memory_in_child", 1, "n", "memory", None, None),
        ("print_gigabyte", 1, "n", "output", None, None),
        ("fill_work", 1, "n", "scratch", None, None),
        ("many_files", 1, "n", "scratch", None, None),
        ("fork_endlessly", 1, "n", "processes", None, None),
        ("leave_children", 20, "count", "ok", None, None),
        ("kill_everything", 1, "n", "ok", None, None),
    ],
)
def test_endings(
    sandboxd: Sandboxd,
    experiments: Experiments,
    function: str,
    value: int,
    name: str,
    kind: str,
    signal: str | None,
    code: int | None,
) -> None:
    began = time.monotonic()
    outcome = sandboxd.run(experiments.bundle(function, value, name=name)).report()["outcome"]
    assert (outcome["kind"], outcome["signal"], outcome["code"]) == (kind, signal, code), outcome
    assert (outcome["message"] == "") == (kind == "ok")
    assert time.monotonic() - began < 10


def test_what_was_printed_before_a_crash_is_kept(
    sandboxd: Sandboxd, experiments: Experiments
) -> None:
    job = sandboxd.run(experiments.bundle("crash", 1))
    assert job.kind() == "signal"
    assert job.output == "before\n"


def test_wall_time(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run(experiments.bundle("sleep_for", 60, name="seconds"), wall_seconds=1.5)
    report = job.report()
    assert report["outcome"]["kind"] == "wall_time"
    assert 1.4 < report["measured"]["wall_seconds"] < 3
    assert job.output == "sleeping\n"


def test_cpu_time(sandboxd: Sandboxd, experiments: Experiments) -> None:
    report = sandboxd.run(experiments.bundle("forever", 1), cpu_seconds=1).report()
    assert report["outcome"]["kind"] == "cpu_time"
    assert report["measured"]["cpu_seconds"] < 3


@pytest.mark.parametrize(("limit", "kind"), [('"auto"', "ok"), ("1", "cpu_time")])
def test_threads_that_use_all_cores_have_time_for_it(
    tmp_path: Path, experiments: Experiments, limit: str, kind: str
) -> None:
    policy = re.sub("(wall|cpu)_seconds = 30\n", "", POLICY)
    with Sandboxd(tmp_path, f"{policy}wall_seconds = 5\ncpu_seconds = {limit}\n") as own:
        own.start()
        report = own.run(experiments.bundle("busy_threads", 3, name="seconds")).report()
        assert own.stop() == 0
    together = report["cores"].count(",") + report["cores"].count("-") > 0
    assert report["outcome"]["kind"] == (kind if together else "ok"), report
    if report["outcome"]["kind"] == "cpu_time":
        assert "threads add up" in report["outcome"]["message"]


def test_output_is_cut_at_the_limit(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run(experiments.bundle("print_gigabyte", 1))
    assert job.kind() == "output"
    assert len(job.output) == 8 * MIB


def test_output_files_come_back(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("write_output", 5, name="megabytes", outputs=("*.out",))
    job = sandboxd.run(bundle)
    assert job.kind() == "ok"
    assert (job.folder / "result.tar").stat().st_size > 5 * MIB


def test_results_beyond_the_limit(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("write_output", 30, name="megabytes", outputs=("*.out",))
    job = sandboxd.run(bundle)
    assert job.kind() == "result_size"
    assert not (job.folder / "result.tar").exists()


def test_memory_lowered_by_the_request(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("fill_work", 1)
    for _ in range(3):
        assert sandboxd.run(bundle, memory_bytes=64 * MIB).kind() == "scratch"
    report = sandboxd.run(experiments.bundle("eat_memory", 1), memory_bytes=64 * MIB).report()
    assert report["outcome"]["kind"] == "memory"
    assert "64 MiB" in report["outcome"]["message"]

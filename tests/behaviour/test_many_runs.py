"""Several runs, one after another and at once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cfiddle
import pytest
from cfiddle import arg_map

import cfiddle_slurm
from cfiddle_slurm.schedulers.job_script import script_text

SQUARE = 'extern "C" int square(int n) { return n * n; }'


def test_threads_each_get_their_own_result_and_report(compiled: Any, configured: Any) -> None:
    square = compiled(SQUARE)
    configured()

    def run(number: int) -> tuple[int, str | None]:
        value = cfiddle.run(square, "square", arg_map(n=number))[0].return_value
        report = cfiddle_slurm.last_report()
        assert report is not None
        return value, report.run_id

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(6)))
    assert [value for value, _ in found] == [number**2 for number in range(6)]
    assert len({run_id for _, run_id in found}) == 6


def test_the_report_tells_what_ran_where(compiled: Any, configured: Any, scheduler: str) -> None:
    configured()
    cfiddle.run(compiled(SQUARE), "square", arg_map(n=3))
    report = cfiddle_slurm.last_report()
    assert report is not None
    assert report.scheduler == scheduler
    assert report.exit_reason == "ok"
    assert report.job_id and report.node and report.kernel
    assert report.perf_status in ("works", "no_pmu")
    assert 0 < (report.run_seconds or 0) <= (report.total_seconds or 0)
    assert (report.cpu_seconds or 0) > 0
    assert (report.memory_peak_bytes or 0) > 1 << 20
    assert {"python", "cfiddle", "cfiddle_slurm"} <= set(report.versions)
    text, html = str(report), report._repr_html_()
    for part in (report.run_id, report.job_id, report.node):
        assert part
        assert part in text
        assert part in html


def test_without_configuration_cfiddle_runs_as_ever(compiled: Any) -> None:
    assert cfiddle.run(compiled(SQUARE), "square", arg_map(n=5))[0].return_value == 25


def test_a_block_has_its_own_configuration(compiled: Any, scheduler: str, jobs: Any) -> None:
    square = compiled(SQUARE)
    before = cfiddle.config.peek_config()
    with cfiddle_slurm.configured(scheduler=scheduler, jobs_directory=jobs) as settings:
        assert settings.scheduler == scheduler
        assert cfiddle.run(square, "square", arg_map(n=6))[0].return_value == 36
    assert cfiddle.config.peek_config() == before


def test_settings_are_checked_at_once(configured: Any) -> None:
    with pytest.raises(cfiddle_slurm.errors.SettingsError, match=r"Did you mean time_limit\?"):
        configured(time_limits=5)
    with pytest.raises(cfiddle_slurm.errors.SettingsError, match="-1"):
        configured(time_limit=-1)


def test_what_would_be_submitted_can_be_seen(configured: Any, scheduler: str, jobs: Any) -> None:
    configured()
    said = cfiddle_slurm.job_script()
    folder = jobs / "<run id>"
    if scheduler == "slurm":
        assert said.startswith("# sbatch --parsable ")
        assert said.endswith(f"\n{script_text(folder)}")
    else:
        assert sys.executable in said
        assert said.endswith(f"# input: {folder}\n")

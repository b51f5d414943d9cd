"""One suite for every scheduler: ``pytest tests/behaviour --scheduler=local`` (or ``slurm``).

With ``slurm`` it runs on a cluster's user node, as a student.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cfiddle
import pytest

import cfiddle_slurm
from tests.patience import wait_for_removals


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scheduler", choices=("local", "slurm"), default="local")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: needs a cluster's user node")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a cluster, what only a cluster can show is not part of the suite."""
    if config.getoption("--scheduler") == "slurm":
        return
    away = [item for item in items if item.get_closest_marker("cluster")]
    config.hook.pytest_deselected(items=away)
    items[:] = [item for item in items if item not in away]


@pytest.fixture
def scheduler(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--scheduler"))


@pytest.fixture
def jobs(scheduler: str, tmp_path: Path) -> Path:
    """The directory of the runs' directories."""
    return Path.home() / ".cfiddle-slurm" / "jobs" if scheduler == "slurm" else tmp_path / "jobs"


@pytest.fixture
def workplace(scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, on the shared home where the scheduler needs one."""
    place = tmp_path / "work place"
    place.mkdir()
    monkeypatch.chdir(place)
    # Plain CFiddle, whose results are the reference, finds its cfiddle-run on the PATH.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return place


@pytest.fixture
def configured(scheduler: str, jobs: Path, workplace: Path) -> Iterator[Callable[..., Any]]:
    """``configured(**options)`` puts the scheduler under test in force until the test ends."""
    with cfiddle.cfiddle_config():

        def configure(**options: Any) -> Any:
            ours = {"scheduler": scheduler, "jobs_directory": jobs, "time_limit": 60}
            return cfiddle_slurm.configure(**{**ours, **options})

        yield configure


@pytest.fixture
def compiled(workplace: Path) -> Callable[..., Any]:
    """``compiled(source)`` builds C++ code that may use CFiddle's header."""

    def compile_(source: str, **parameters: Any) -> Any:
        text = "#include <cfiddle.hpp>\n" + textwrap.dedent(source)
        return cfiddle.build(
            cfiddle.code(text),
            build_parameters=cfiddle.arg_map(**parameters) if parameters else None,
        )

    return compile_


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest, jobs: Path) -> Iterator[None]:
    """After each test no job directory is left but of runs that failed, which are kept."""
    yield
    wait_for_removals()
    if jobs.exists():
        left = [path.name for path in jobs.iterdir() if not (path / "failed.txt").exists()]
        assert left == []


def environment_is_ours() -> None:
    """Variables of this suite's caller must not configure the runs."""
    for name in list(os.environ):
        if name.startswith("CFIDDLE_SLURM_"):
            del os.environ[name]


environment_is_ours()

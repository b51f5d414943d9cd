"""A worker that is stopped in good order."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.beside_slurm import retirement

Make = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retirement, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(retirement, "ANSWER_SECONDS", 1.0)


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    folder.mkdir()
    return folder


def count(calls: Path) -> int:
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_no_new_job_and_the_present_one_ends(commands: Make, jobs: Path) -> None:
    withdrawn = commands("python3", "")
    commands("pgrep", "")
    (jobs / "7").touch()
    # At the controller's third answer it is over.
    asked = commands("scontrol", f'[ "$(wc -l <"$0.calls" 2>/dev/null || echo 0)" = 2 ]'
                                 f' && rm -f "{jobs}/7"; echo >>"$0.calls"')  # fmt: skip
    retirement.retire(30, jobs)
    assert withdrawn.read_text().endswith("beside_slurm.withdrawal withdraw being replaced\n")
    assert (count(asked), list(jobs.iterdir())) == (3, [])


def test_a_job_that_does_not_end_is_not_waited_for_for_ever(commands: Make, jobs: Path) -> None:
    commands("python3", "")
    commands("pgrep", "")
    asked = commands("scontrol", "")
    (jobs / "7").touch()
    began = time.monotonic()
    retirement.retire(0.5, jobs)
    assert 0.5 <= time.monotonic() - began < 10
    assert count(asked) >= 1


@pytest.mark.parametrize("script", ["exit 1", "sleep 30"])
@pytest.mark.parametrize("who", ["python3", "scontrol"])
def test_without_a_controller_nothing_is_waited_for(
    commands: Make, jobs: Path, who: str, script: str
) -> None:
    made = {name: commands(name, script if name == who else "") for name in ("python3", "scontrol")}
    commands("pgrep", "")
    (jobs / "7").touch()
    began = time.monotonic()
    retirement.retire(60, jobs)
    assert time.monotonic() - began < 20
    assert count(made["scontrol"]) == (1 if who == "scontrol" else 0)


@pytest.mark.parametrize(
    ("registered", "processes", "is_here"),
    [
        ([], [True], False),
        ([".7"], [True], False),  # the Prolog is just writing it
        (["7"], [True], True),
        (["7"], [False, True], True),  # it was just being started
        (["7"], [False, False], False),  # of one that the controller has lost
    ],
)
def test_whether_a_job_is_here(
    commands: Make,
    jobs: Path,
    registered: list[str],
    processes: list[bool],
    is_here: bool,
) -> None:
    for name in registered:
        (jobs / name).touch()
    last = len(processes) if processes[-1] else 99
    asked = commands("pgrep", f'[ "$(wc -l <"{jobs.parent}/pgrep.calls")" -ge {last} ]')
    assert retirement.has_job(jobs) is is_here
    if asked.exists():
        assert set(asked.read_text().splitlines()) == {"-x slurmstepd"}


def test_the_command(commands: Make) -> None:
    commands("python3", "exit 1")
    assert retirement.main(["60"]) == 0
    assert retirement.main([]) == retirement.main(["soon"]) == 2

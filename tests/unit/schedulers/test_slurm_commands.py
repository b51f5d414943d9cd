"""How Slurm's commands are called, and what the scheduler makes of their answers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.schedulers import slurm_commands
from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.settings import Settings

Commands = Callable[[str, str], Path]


def test_a_jobs_own_variables_do_not_steer_the_commands() -> None:
    kept = slurm_commands.command_environment(
        {"SLURM_JOB_ID": "5", "SBATCH_PARTITION": "x", "SLURM_CONF": "/etc/s", "HOME": "/h",
         "SLURM_CONF_SERVER": "head", "SQUEUE_FORMAT": "%i", "LC_ALL": "de_DE"}
    )  # fmt: skip
    assert kept == {
        "SLURM_CONF": "/etc/s", "SLURM_CONF_SERVER": "head", "HOME": "/h", "LC_ALL": "C",
    }  # fmt: skip


def test_a_machine_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SchedulerUnavailable, match=r"squeue is not installed here.*'local'"):
        SlurmScheduler().states(["1"])


def test_all_jobs_are_asked_for_at_once(commands: Commands) -> None:
    squeue = commands("squeue", "echo '1|RUNNING|None|w1|x'; echo '2|PENDING|Resources||x'")
    sacct = commands("sacct", "echo '3|FAILED|w2|1:0|x'")
    found = SlurmScheduler().states(["1", "2", "3"])
    assert {job_id: state.status for job_id, state in found.items()} == {
        "1": JobStatus.RUNNING, "2": JobStatus.PENDING, "3": JobStatus.FAILED,
    }  # fmt: skip
    assert len(squeue.read_text().splitlines()) == 1
    assert "--jobs=1,2,3" in squeue.read_text()
    assert "--jobs=3" in sacct.read_text()


def test_jobs_that_squeue_has_forgotten_are_no_error(commands: Commands) -> None:
    commands("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    commands("sacct", "echo 'sacct: error: no accounting here' >&2; exit 1")
    assert SlurmScheduler().states(["1"]) == {}


def test_a_controller_that_does_not_answer(commands: Commands) -> None:
    trouble = "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1"
    commands("squeue", trouble)
    commands("scancel", trouble)
    with pytest.raises(SchedulerUnavailable, match="Unable to contact") as caught:
        SlurmScheduler().states(["1"])
    assert caught.value.transient
    with pytest.raises(SchedulerUnavailable):
        SlurmScheduler().cancel("1")


def test_nothing_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert SlurmScheduler().states([]) == {}


def test_a_refused_credential_points_at_the_clock(commands: Commands) -> None:
    commands("squeue", "echo 'squeue: error: Protocol authentication error' >&2; exit 1")
    with pytest.raises(SchedulerUnavailable, match="Protocol authentication error") as caught:
        SlurmScheduler().states(["1"])
    assert "clock" in caught.value.hint


def test_what_accounting_says_of_a_job_that_is_not_over_is_no_news(commands: Commands) -> None:
    commands("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    commands("sacct", "echo '1|PENDING|None assigned|0:0|x'; echo '2|COMPLETED|w1|0:0|x'")
    assert set(SlurmScheduler().states(["1", "2"])) == {"2"}


def test_cancelling_what_has_ended_is_no_error(commands: Commands) -> None:
    calls = commands("scancel", "echo 'scancel: error: Invalid job id 5' >&2; exit 1")
    SlurmScheduler().cancel("5")
    assert "5" in calls.read_text()


def test_words_for_people(tmp_path: Path) -> None:
    waiting = JobState("1", JobStatus.PENDING, "PENDING", "Resources")
    assert SlurmScheduler().describe_wait(waiting) == "all workers are busy"
    text = SlurmScheduler().script(tmp_path / "abc", Settings())
    assert "--job-name=cfiddle-abc" in text
    assert "exec cfiddle-sandbox run" in text

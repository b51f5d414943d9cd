"""A run is submitted once, whatever becomes of Slurm's reply."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.errors import NodeFailed, SchedulerUnavailable, SubmissionError
from cfiddle_slurm.schedulers import slurm_commands, submission
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.schedulers.submission import Submission
from cfiddle_slurm.settings import Settings

Commands = Callable[[str, str], Path]
RUN_ID = "0123456789abcdef"
LOST = (
    "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation'"
    " >&2; exit 1"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a job's directory"
    place.mkdir()
    return place


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_SEARCH_SECONDS", 1.0)
    monkeypatch.setattr(submission, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(submission, "_PATIENCE_PAUSE", 0.05)
    monkeypatch.setattr(submission, "_SEARCH_PAUSE", 0.05)
    monkeypatch.setattr(submission, "_SRUN_ASKS_AFTER", 0.2)


def submit(folder: Path, how: str = "sbatch") -> str:
    return Submission(RUN_ID, folder, Settings(submit=how)).submit()


def test_the_plain_case(commands: Commands, folder: Path) -> None:
    calls = commands("sbatch", "echo 12")
    assert submit(folder) == "12"
    assert f"--job-name=cfiddle-{RUN_ID}" in calls.read_text()
    assert "cfiddle-sandbox run" in (folder / "job.sh").read_text()


def test_a_refusal_has_slurms_own_words(commands: Commands, folder: Path) -> None:
    commands("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(SubmissionError, match="refused the job: invalid partition specified: x"):
        submit(folder)
    assert not (folder / "started.json").exists()


def test_a_controller_that_is_just_being_restarted_is_waited_for(
    commands: Commands, folder: Path
) -> None:
    gone = "echo 'sbatch: error: Unable to contact slurm controller (connect failure)' >&2; exit 1"
    calls = commands(
        "sbatch", f'[ "$(wc -l <"{folder.parent}/sbatch.calls")" -ge 3 ] && echo 12 && exit\n{gone}'
    )
    assert submit(folder) == "12"
    assert len(calls.read_text().splitlines()) == 3


def test_a_lost_reply_is_found_by_its_name(commands: Commands, folder: Path) -> None:
    sbatch = commands("sbatch", LOST)
    squeue = commands("squeue", "echo 77")
    assert submit(folder) == "77"
    assert f"--name=cfiddle-{RUN_ID}" in squeue.read_text()
    assert len(sbatch.read_text().splitlines()) == 1


def test_a_job_that_has_ended_meanwhile_is_found_in_the_accounts(
    commands: Commands, folder: Path
) -> None:
    commands("sbatch", LOST)
    commands("squeue", "true")
    commands("sacct", "echo 78")
    assert submit(folder) == "78"


def test_of_two_jobs_one_name_the_later_goes(commands: Commands, folder: Path) -> None:
    commands("sbatch", LOST)
    commands("squeue", "echo 100; echo 99")
    scancel = commands("scancel", "true")
    assert submit(folder) == "99"
    assert scancel.read_text().split() == ["100"]


def test_where_no_job_is_found_none_can_start_later(commands: Commands, folder: Path) -> None:
    commands("sbatch", LOST)
    commands("squeue", "true")
    commands("sacct", "true")
    scancel = commands("scancel", "true")
    with pytest.raises(SchedulerUnavailable, match="Socket timed out"):
        submit(folder)
    assert json.loads((folder / "started.json").read_text())["job_id"] == ""
    assert f"--name=cfiddle-{RUN_ID}" in scancel.read_text()


def test_a_job_that_started_in_the_last_moment_counts(commands: Commands, folder: Path) -> None:
    commands("sbatch", LOST)
    commands("squeue", f"""echo '{{"job_id": "55"}}' >'{folder / "started.json"}'""".replace(
        "a job's", "a job'\\''s"
    ))  # fmt: skip
    commands("sacct", "true")
    commands("scancel", "true")
    assert submit(folder) == "55"


def test_a_controller_out_of_reach_is_told_at_once(commands: Commands, folder: Path) -> None:
    commands("sbatch", "echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerUnavailable, match="Unable to contact"):
        submit(folder)


def test_a_command_that_hangs_is_ended_and_its_run_taken_back(
    commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_commands.call, "__kwdefaults__", {"timeout": 0.3, "cwd": None})
    commands("sbatch", "echo 'sbatch: error: getaddrinfo() failed: unknown' >&2; sleep 100")
    with pytest.raises(SchedulerUnavailable, match="did not end within"):
        submit(folder)
    assert (folder / "started.json").exists()


def test_without_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for how in ("sbatch", "srun"):
        with pytest.raises(SchedulerUnavailable, match=f"{how} is not installed here"):
            submit(folder, how)


def test_srun_is_known_by_the_job_it_starts(commands: Commands, folder: Path) -> None:
    started = str(folder / "started.json").replace("'", "'\\''")
    commands("srun", f"""echo '{{"job_id": "60"}}' >'{started}'; sleep 1""")
    assert submit(folder, "srun") == "60"


def test_srun_says_itself_when_it_has_to_wait(commands: Commands, folder: Path) -> None:
    commands("srun", "echo 'srun: job 61 queued and waiting for resources' >&2; sleep 1")
    assert submit(folder, "srun") == "61"


def test_srun_that_says_nothing_is_asked_for(commands: Commands, folder: Path) -> None:
    commands("srun", "sleep 2")
    commands("squeue", "echo 62")
    assert submit(folder, "srun") == "62"


def test_srun_that_is_refused(commands: Commands, folder: Path) -> None:
    commands("srun", "echo 'srun: error: Unable to allocate resources: No such qos' >&2; exit 1")
    with pytest.raises(SubmissionError, match="No such qos"):
        submit(folder, "srun")


def test_stop_while_it_is_submitted_cancels_by_name(
    commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    scancel = commands("scancel", "true")
    monkeypatch.setattr(Submission, "_sbatch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        submit(folder)
    assert f"--name=cfiddle-{RUN_ID}" in scancel.read_text()


def test_a_head_whose_disk_is_full_is_not_the_scripts_fault(
    commands: Commands, folder: Path
) -> None:
    words = (
        "sbatch: error: Batch job submission failed: I/O error writing script/environment to file"
    )
    commands("sbatch", f"echo '{words}' >&2; exit 1")
    with pytest.raises(SchedulerUnavailable, match="disk of the cluster's head is full") as caught:
        submit(folder)
    assert caught.value.transient and "whoever runs the cluster" in str(caught.value)


def test_a_worker_that_could_not_start_an_srun_is_named(commands: Commands, folder: Path) -> None:
    words = "srun: error: Task launch for StepId=7.0 failed on node w1: Job prolog failed"
    commands("srun", f"echo '{words}' >&2; exit 1")
    with pytest.raises(NodeFailed) as caught:
        submit(folder, "srun")
    assert caught.value.node == "w1" and caught.value.transient


@pytest.mark.parametrize(
    ("sinfo", "options"),
    [
        ("echo 'w1|idle|none'; echo 'w2|idle|none'", ("--exclude=w1",)),
        ("echo 'w1|drained|x'; echo 'w2|allocated|none'", ("--exclude=w1",)),
        ("echo 'w1|idle|none'; echo 'w2|drained|fan'", ()),  # better than to wait for w2
        ("echo 'w2|idle|none'", ()),  # what is no node cannot be excluded
        ("exit 1", ()),
    ],
)
def test_nodes_that_failed_are_avoided_where_there_are_others(
    commands: Commands, sinfo: str, options: tuple[str, ...]
) -> None:
    commands("sinfo", sinfo)
    settings = Settings()
    assert SlurmScheduler().avoiding(settings, ["w1", "w1"]).sbatch_options == options
    assert SlurmScheduler().avoiding(settings, []) is settings


@pytest.mark.parametrize(
    ("sinfo", "reason"),
    [
        ("w1|drained|Prolog error", "Prolog error"),
        ("w1|idle|Prolog error", None),
        ("w1|drained|fan broken", None),
        ("w2|drained|Prolog error", None),
    ],
)
def test_a_node_that_withdrew_itself(commands: Commands, sinfo: str, reason: str | None) -> None:
    commands("sinfo", f"echo '{sinfo}'")
    assert SlurmScheduler().withdrawn("w1") == reason

"""A run by pyslurm: the same job, the same states, the same errors; and once, whatever dies."""

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.errors import SchedulerUnavailable, SubmissionError
from cfiddle_slurm.schedulers import scheduler_for, submission, watcher_for
from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.schedulers.binding import questions, shared
from cfiddle_slurm.schedulers.by_name import jobs_of
from cfiddle_slurm.schedulers.job_script import sbatch_arguments
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.schedulers.submission import Submission
from cfiddle_slurm.settings import Settings

from .conftest import StandIn, ends
from .test_shared import HANG, KILL

Commands = Callable[[str, str], Path]
pytestmark = pytest.mark.usefixtures("impatient")
RUN_ID = "0123456789abcdef"
NAME = f"cfiddle-{RUN_ID}"
NOT_TO_BE_CALLED = "exit 99"


@pytest.fixture
def calls(commands: Commands) -> Callable[[], str]:
    """What Slurm's commands, none of which does anything, have been asked."""
    files = [commands(name, NOT_TO_BE_CALLED) for name in ("sbatch", "squeue", "sacct", "scancel")]

    def made() -> str:
        return "".join(file.read_text() for file in files if file.exists())

    return made


def submit(folder: Path, **settings: object) -> str:
    chosen = Settings(**{"binding": "pyslurm", **settings})  # type: ignore[arg-type]
    return Submission(RUN_ID, folder, chosen).submit()


def test_a_job_is_submitted_asked_for_found_and_cancelled(
    stand_in: StandIn, folder: Path, calls: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("SECRET", "x")
    scheduler = SlurmScheduler("pyslurm")
    job_id = scheduler.submit(RUN_ID, folder, Settings(binding="pyslurm"))
    mask = os.umask(0)
    os.umask(mask)
    assert stand_in.jobs()[0]["environment"] == {"SLURM_UMASK": f"{mask:04o}"}
    stand_in.put({"id": 99}, {**stand_in.jobs()[0]})
    pending = JobState(job_id, JobStatus.PENDING, "PENDING", "Priority", run_id=RUN_ID)
    assert scheduler.states([job_id]) == {job_id: pending}
    assert jobs_of(RUN_ID, folder, "pyslurm") == [job_id]
    scheduler.cancel(job_id)
    assert scheduler.states([job_id, "99"])[job_id].status is JobStatus.CANCELLED
    assert calls() == ""
    assert len(stand_in.calls("before_load")) == 3


def test_only_the_own_jobs_in_the_own_folder_are_found(
    stand_in: StandIn, folder: Path, calls: Callable[[], str]
) -> None:
    mine = {"name": NAME, "working_directory": str(folder)}
    stand_in.put(
        {"id": 1, **mine, "user_id": os.getuid() + 1},
        {"id": 2, **mine, "working_directory": f"{folder}/x"},
        {"id": 3, **mine, "name": "cfiddle-x"},
        {"id": 4, **mine},
    )
    assert jobs_of(RUN_ID, folder, "pyslurm") == ["4"]
    assert calls() == ""


ALL = Settings(
    partition="lab", account="cs", qos="short", constraint="avx2&x", time_limit=61,
    sbatch_options=("--exclude=w1,w[3-4]",), binding="pyslurm",
)  # fmt: skip
WORDS = {
    "job-name": "name", "chdir": "working_directory", "output": "standard_output",
    "open-mode": "log_files_open_mode", "nodes": "nodes", "ntasks": "ntasks", "time": "time_limit",
    "partition": "partitions", "account": "account", "qos": "qos", "constraint": "constraints",
    "exclude": "excluded_nodes",
}  # fmt: skip
SAID_OTHERWISE = {"--parsable", "--export=NIL", "--no-requeue", "--exclusive"}


def test_it_is_the_job_that_sbatch_would_make(folder: Path) -> None:
    job = questions.description(RUN_ID, folder, ALL)
    assert job is not None
    options = [word for word in sbatch_arguments(RUN_ID, folder, ALL)[1:] if word[0] == "-"]
    told = {word[2:].partition("=")[::2] for word in options if word not in SAID_OTHERWISE}
    assert {(WORDS[name], value) for name, value in told} == {
        (name, str(value)) for name, value in job.items() if name in WORDS.values()
    }
    others = {name: value for name, value in job.items() if name not in WORDS.values()}
    assert others == {
        "script": str(folder / "job.sh"),
        "is_requeueable": False,
        "resource_sharing": "exclusive",
    }


def test_what_is_not_asked_for_is_not_said(folder: Path) -> None:
    job = questions.description(RUN_ID, folder, Settings(exclusive=False))
    assert job is not None
    assert not {"resource_sharing", "time_limit", "qos", "excluded_nodes"} & set(job)


def test_an_option_that_only_sbatch_knows_is_left_to_sbatch(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    sbatch = commands("sbatch", "echo 12")
    assert submit(folder, sbatch_options=["--reservation=lab1"]) == "12"
    assert "--reservation=lab1" in sbatch.read_text()
    assert stand_in.jobs() == []


def test_the_commands_where_they_are_wanted(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    commands("sbatch", "echo 12")
    assert submit(folder, binding="commands") == "12"
    assert stand_in.calls("import") == []


def test_an_srun_is_an_srun_and_pyslurm_is_asked_for_it(
    stand_in: StandIn, commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_SRUN_ASKS_AFTER", 0.1)
    commands("srun", "sleep 2")
    squeue = commands("squeue", NOT_TO_BE_CALLED)
    stand_in.put({"id": 62, "name": NAME, "working_directory": str(folder)})
    assert submit(folder, submit="srun") == "62"
    assert not squeue.exists()


REFUSED = "sbatch: error: Only Tuesdays.\nsbatch: error: Batch job submission failed: Unspecified"


def test_sbatch_has_the_last_word_on_a_refusal(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    stand_in.at("before_submit", "raise RPCError(1, 'Unspecified error')")
    commands("sbatch", f"echo {shlex.quote(REFUSED)} >&2; exit 1")
    with pytest.raises(SubmissionError, match=r"refused the job: Only Tuesdays\."):
        submit(folder)


@pytest.mark.parametrize(
    "trouble",
    [
        "raise RPCError(1, 'Invalid feature specification')",
        "raise TypeError('an integer is required')",
    ],
)
def test_what_pyslurm_cannot_do_sbatch_may(
    stand_in: StandIn, commands: Commands, folder: Path, trouble: str
) -> None:
    stand_in.at("before_submit", trouble)
    sbatch = commands("sbatch", "echo 12")
    assert submit(folder) == "12"
    assert len(sbatch.read_text().splitlines()) == 1


GONE = "raise RPCError(1, 'Unable to contact slurm controller (connect failure)')"


def test_a_controller_that_is_just_being_restarted_is_waited_for(
    stand_in: StandIn, folder: Path, calls: Callable[[], str]
) -> None:
    stand_in.at(
        "before_submit", f"os.unlink({str(stand_in.folder / 'before_submit.py')!r}); {GONE}"
    )
    assert submit(folder) == "100"
    assert len(stand_in.calls("before_submit")) == 2
    assert calls() == ""


def test_a_controller_that_is_not_there_is_told_of_without_asking_twice(
    stand_in: StandIn, folder: Path, calls: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_PATIENCE_SECONDS", 0.0)
    for point in ("before_submit", "before_load", "before_cancel"):
        stand_in.at(point, GONE)
    scheduler = SlurmScheduler("pyslurm")
    with pytest.raises(SchedulerUnavailable, match="does not answer: Unable to contact"):
        submit(folder)
    with pytest.raises(SchedulerUnavailable, match="does not answer: Unable to contact"):
        scheduler.states(["7"])
    with pytest.raises(SchedulerUnavailable, match="does not answer: Unable to contact"):
        scheduler.cancel("7")
    assert calls() == ""


FULL = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    "trouble",
    [
        f'os.write(2, b"python: error: AssocMaxSubmitJobLimit\\n"); raise RPCError(1, "{FULL}")',
        "raise RPCError(11, 'Resource temporarily unavailable')",
    ],
)
def test_without_room_it_waits_and_sbatch_is_not_asked(
    stand_in: StandIn, folder: Path, calls: Callable[[], str], trouble: str
) -> None:
    again = f"if len(open({str(stand_in.folder / 'calls')!r}).readlines()) < 4: {trouble}"
    stand_in.at("before_submit", again)
    assert submit(folder, show_output=False) == "100"
    assert len(stand_in.calls("before_submit")) == 3
    assert calls() == ""


def test_a_reply_that_slurm_lost_is_found_by_its_name(
    stand_in: StandIn, folder: Path, calls: Callable[[], str]
) -> None:
    stand_in.at("after_submit", "raise RPCError(1, 'Socket timed out on send/recv operation')")
    assert submit(folder) == "100"
    assert len(stand_in.jobs()) == 1
    assert calls() == ""


@pytest.mark.parametrize("death", [KILL, "os._exit(0)", "os.abort()"])
def test_a_reply_that_died_with_the_helper_is_found_by_its_name(
    stand_in: StandIn, folder: Path, calls: Callable[[], str], death: str
) -> None:
    stand_in.at("after_submit", death)
    assert submit(folder) == "100"
    assert len(stand_in.jobs()) == 1
    assert "--job-name" not in calls()


def test_a_submission_that_takes_too_long_is_found_by_its_name(
    stand_in: StandIn, commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.shared.ask("pyslurm", {"ask": "states", "ids": []})
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 0.3)
    stand_in.at("after_submit", HANG)
    commands("squeue", f"cat <<'END'\n100|{folder}\nEND")
    sbatch = commands("sbatch", "echo 12")
    assert submit(folder) == "100"
    assert ends(stand_in.calls("import")[0])
    assert not sbatch.exists() and len(stand_in.jobs()) == 1


def test_a_helper_that_died_before_slurm_heard_of_it_loses_no_run(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    stand_in.at("before_submit", KILL)
    for name in ("squeue", "sacct", "scancel"):
        commands(name, "true")
    scancel = commands("scancel", "true")
    sbatch = commands("sbatch", "echo 12")
    assert submit(folder) == "12"
    assert scancel.read_text().split() == [f"--user={os.getuid()}", f"--name={NAME}"]
    assert len(sbatch.read_text().splitlines()) == 1
    assert not (folder / "started.json").exists()


def test_where_slurm_does_not_answer_either_no_job_can_start_later(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    stand_in.at("before_submit", KILL)
    for name in ("squeue", "sacct", "scancel"):
        commands(name, "true")
    commands("sbatch", "echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerUnavailable, match="its process has ended"):
        submit(folder)
    assert json.loads((folder / "started.json").read_text())["job_id"] == ""


def test_a_helper_that_died_before_the_question_costs_nothing(
    stand_in: StandIn, commands: Commands, folder: Path
) -> None:
    stand_in.shared.ask("pyslurm", {"ask": "states", "ids": []})
    os.kill(stand_in.calls("import")[0], signal.SIGKILL)
    assert ends(stand_in.calls("import")[0])
    sbatch = commands("sbatch", "echo 12")
    assert submit(folder) == "12"
    assert len(sbatch.read_text().splitlines()) == 1
    assert stand_in.jobs() == []


@pytest.mark.parametrize("trouble", [KILL, "raise RPCError(1, 'x')", "import os; os._exit(1)"])
def test_states_that_pyslurm_does_not_tell_squeue_tells(
    stand_in: StandIn, commands: Commands, trouble: str
) -> None:
    stand_in.at("before_load", trouble)
    commands("squeue", f"echo '7|RUNNING|None|w1|{NAME}'")
    found = SlurmScheduler("pyslurm").states(["7"])
    assert found["7"] == JobState("7", JobStatus.RUNNING, "RUNNING", "None", "w1", run_id=RUN_ID)


def test_jobs_that_slurmctld_has_forgotten_are_in_the_accounts(
    stand_in: StandIn, commands: Commands
) -> None:
    stand_in.put({"id": 8})
    sacct = commands("sacct", "echo '7|COMPLETED|w1|0:0|x'")
    found = SlurmScheduler("pyslurm").states(["7", "8"])
    assert found["7"].status is JobStatus.COMPLETED
    assert "--jobs=7 " in sacct.read_text()


def test_an_unknown_state_ends_nothing(stand_in: StandIn, calls: Callable[[], str]) -> None:
    stand_in.put({"id": 8, "state": "DREAMING", "state_reason": "a\nb"})
    state = SlurmScheduler("pyslurm").states(["8"])["8"]
    assert (state.status, state.raw) == (JobStatus.UNKNOWN, "DREAMING")
    assert "\n" not in state.reason


@pytest.mark.parametrize("point", ["before_cancel", "after_cancel"])
@pytest.mark.parametrize(
    "trouble", [KILL, "raise RPCError(11, 'Resource temporarily unavailable')"]
)
def test_a_cancellation_that_is_not_certain_is_repeated(
    stand_in: StandIn, commands: Commands, point: str, trouble: str
) -> None:
    """pyslurm reads an old errno after a success, too."""
    stand_in.put({"id": 7})
    stand_in.at(point, trouble)
    scancel = commands("scancel", "true")
    SlurmScheduler("pyslurm").cancel("7")
    assert scancel.read_text().split() == ["--quiet", "7"]


def test_each_binding_has_a_scheduler_and_a_watcher_and_local_runs_have_one() -> None:
    auto, commands = Settings(scheduler="slurm"), Settings(scheduler="slurm", binding="commands")
    assert scheduler_for(auto) is scheduler_for(auto) is not scheduler_for(commands)
    watchers = [watcher_for(scheduler_for(settings), settings) for settings in (auto, commands)]
    assert watchers[0] is not watchers[1]
    assert watchers[0] is watcher_for(scheduler_for(auto), auto)
    assert scheduler_for(Settings()) is scheduler_for(Settings(binding="commands"))

"""A run is submitted once, whatever becomes of Slurm's reply."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cfiddle_slurm.errors import NodeFailed, QueueTimeout, SchedulerUnavailable, SubmissionError
from cfiddle_slurm.schedulers import room, slurm_commands
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.schedulers.submission import Submission
from cfiddle_slurm.settings import Settings

Commands = Callable[[str, str], Path]
pytestmark = pytest.mark.usefixtures("impatient")
RUN_ID = "0123456789abcdef"
LOST = (
    "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation'"
    " >&2; exit 1"
)
FULL = (
    "printf 'sbatch: error: AssocMaxSubmitJobLimit\\n"
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy\\n' >&2; exit 1"
)


def listing(folder: Path, *job_ids: str) -> str:
    """A script that prints jobs of a folder as squeue and sacct are asked to."""
    lines = "\n".join(f"{job_id}|{folder}" for job_id in job_ids)
    return f"cat <<'END'\n{lines}\nEND"


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
    squeue = commands("squeue", listing(folder, "77"))
    assert submit(folder) == "77"
    assert f"--me --name=cfiddle-{RUN_ID}" in squeue.read_text()
    assert len(sbatch.read_text().splitlines()) == 1


def test_a_job_of_the_same_name_that_works_elsewhere_is_anothers(
    commands: Commands, folder: Path
) -> None:
    commands("sbatch", LOST)
    commands("squeue", f"{listing(folder / 'x', '5')}\n{listing(folder, '77')}")
    assert submit(folder) == "77"


def test_a_job_that_has_ended_meanwhile_is_found_in_the_accounts(
    commands: Commands, folder: Path
) -> None:
    commands("sbatch", LOST)
    commands("squeue", "true")
    commands("sacct", listing(folder, "78"))
    assert submit(folder) == "78"


def test_of_two_jobs_one_name_the_later_goes(commands: Commands, folder: Path) -> None:
    commands("sbatch", LOST)
    commands("squeue", listing(folder, "100", "99"))
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
    commands("squeue", listing(folder, "62"))
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


BANNER = (
    "echo '* Welcome to the cluster of 2026 *'; echo '  12345 cores | authentication by key  ' >&2"
)


def test_a_wrapper_may_print_what_it_likes(commands: Commands, folder: Path) -> None:
    commands("sbatch", f"{BANNER}; echo '12;physics'; echo 'Thank you.'; echo 'WARNING: old' >&2")
    assert submit(folder) == "12"


@pytest.mark.parametrize("output", ["", "echo done", "echo 12; echo 2026"])
def test_success_without_a_certain_number_is_no_refusal(
    commands: Commands, folder: Path, output: str
) -> None:
    sbatch = commands("sbatch", output or "true")
    commands("squeue", f"{BANNER}; echo 2026; echo '4|another'; {listing(folder, '12')}")
    assert submit(folder) == "12"
    assert len(sbatch.read_text().splitlines()) == 1


def test_success_without_a_number_and_without_a_job(commands: Commands, folder: Path) -> None:
    commands("sbatch", "echo done")
    for name in ("squeue", "sacct", "scancel"):
        commands(name, BANNER)
    with pytest.raises(SchedulerUnavailable, match="sbatch did not say which job it is: done"):
        submit(folder)
    assert (folder / "started.json").exists()


def test_a_wrapper_that_fails_after_sbatch_has_not(commands: Commands, folder: Path) -> None:
    commands("sbatch", "echo 12; echo 'logger: no such socket' >&2; exit 1")
    commands("squeue", listing(folder, "12"))
    assert submit(folder) == "12"


def test_a_wrappers_own_refusal(commands: Commands, folder: Path) -> None:
    commands("sbatch", "echo 'You have used up your hours.' >&2; exit 7")
    commands("squeue", BANNER)
    commands("sacct", "true")
    with pytest.raises(SubmissionError, match=r"refused the job: You have used up your hours\."):
        submit(folder)


def test_a_banner_is_no_reason_to_try_again(commands: Commands, folder: Path) -> None:
    sbatch = commands("sbatch", f"{BANNER}; echo 'sbatch: error: no such partition' >&2; exit 1")
    with pytest.raises(SubmissionError, match="refused the job: no such partition; 12345 cores"):
        submit(folder)
    assert len(sbatch.read_text().splitlines()) == 1


def test_a_wrapper_of_srun_that_does_not_stay(commands: Commands, folder: Path) -> None:
    commands("srun", BANNER)
    commands("squeue", listing(folder, "63"))
    assert submit(folder, "srun") == "63"


def test_without_room_it_waits_and_says_so_once(
    commands: Commands, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for how in ("sbatch", "srun"):
        calls = commands(
            how,
            f'[ "$(wc -l <"{folder.parent}/{how}.calls")" -ge 3 ] && echo 12 && {WAITS}\n{FULL}',
        )
        assert submit(folder, how) == "12"
        assert len(calls.read_text().splitlines()) == 3
        told = capfd.readouterr().err.splitlines()
        assert told == [
            "cfiddle_slurm: Slurm takes no more jobs now: you have as many jobs in the queue as "
            "you may have (AssocMaxSubmitJobLimit). The run waits for room."
        ]


WAITS = "{ echo 'srun: job 12 queued and waiting for resources' >&2; exit; }"


def test_it_waits_no_longer_than_it_may(commands: Commands, folder: Path) -> None:
    commands("sbatch", FULL)
    commands("squeue", "echo 7")
    began = time.monotonic()
    with pytest.raises(QueueTimeout, match=r"for 0.5 seconds: you have as many jobs"):
        Submission(RUN_ID, folder, Settings(queue_timeout=0.5)).submit()
    assert 0.5 <= time.monotonic() - began < 5


def test_who_has_no_job_at_all_does_not_wait_for_the_own_ones(
    commands: Commands, folder: Path
) -> None:
    commands("sbatch", FULL)
    commands("squeue", "true")
    with pytest.raises(SubmissionError, match=r"though you have none: AssocMaxSubmitJobLimit"):
        submit(folder)


def test_an_sbatch_that_asks_again_by_itself_is_no_lost_reply(
    commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_commands.call, "__kwdefaults__", {"timeout": 0.3, "cwd": None})
    full = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
    commands(
        "sbatch",
        f"[ \"$(wc -l <'{folder.parent}/sbatch.calls')\" -ge 2 ] && echo 12 && exit\n"
        f"echo '{full}' >&2; sleep 100",
    )
    commands("squeue", "true")
    commands("sacct", "true")
    assert submit(folder) == "12"
    assert not (folder / "started.json").exists()


def test_a_machine_without_processes_left_is_waited_for(
    commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Iterator[Exception | str] = iter([BlockingIOError(11, "Try again"), "12"])

    def sbatch(_: Submission) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Submission, "_sbatch", sbatch)
    assert submit(folder) == "12"


def test_of_many_threads_one_asks_at_a_time_and_all_come_in(
    commands: Commands, tmp_path: Path
) -> None:
    """A queue for three jobs, of which one ends whenever a thread has its id."""
    queue = tmp_path / "queue"
    queue.mkdir()
    calls = commands(
        "sbatch",
        f"""
        mkdir "{tmp_path}/lock.$$"
        set -- "{tmp_path}"/lock.*; echo $# >>"{tmp_path}/at-once"
        exec 9>"{tmp_path}/mutex"; flock 9
        set -- "{queue}"/*; n=$#; [ -e "$1" ] || n=0
        rmdir "{tmp_path}/lock.$$"
        [ $n -lt 3 ] || {{ {FULL}; }}
        touch "{queue}/$$"; echo $$""",
    )
    taken: list[str] = []

    def work(number: int) -> None:
        place = tmp_path / f"{number}"
        place.mkdir()
        settings = Settings(show_output=False)
        job_id = Submission(f"{number:016x}", place, settings).submit()
        time.sleep(0.3)
        (queue / job_id).unlink()
        taken.append(job_id)
        room.room_for(settings).has_ended()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == 12
    # All at first, when nobody knew; then one after the other.
    at_once = [int(line) for line in (tmp_path / "at-once").read_text().split()]
    assert all(count == 1 for count in at_once[-6:])
    assert len(calls.read_text().splitlines()) < 60


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

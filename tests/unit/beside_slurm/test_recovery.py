"""A controller that was killed settles what it has forgotten, and lets no job start before."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.beside_slurm import recovery
from cfiddle_slurm.beside_slurm.recovery import Action, Run, decide, look
from cfiddle_slurm.slurm_states import JobStatus

Make = Callable[[str, str], Path]
NAME = "cfiddle-0123456789abcdef"
SHUT = "PartitionName=cfiddle Nodes=ALL State=DOWN OverSubscribe=EXCLUSIVE \\\n    MaxTime=1\n"
OPEN = SHUT.replace("State=DOWN", "State=UP")


def calls(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(recovery, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(recovery, "GIVE_UP_SECONDS", 0.3)


@pytest.fixture
def slurm(commands: Make, tmp_path: Path) -> dict[str, Path]:
    """Slurm's commands; the controller is up at the second question, opens at the second, too."""
    alone = 'case "$2" in --jobs=*) job=${2#--jobs=};; *) job=;; esac'
    commands("squeue", f'{alone}; cat "{tmp_path}/squeue$job"')
    twice = f'[ -e "{tmp_path}/%s" ] || {{ touch "{tmp_path}/%s"; %s; exit 1; }}'
    down = "echo 'Slurmctld(primary) at controller is DOWN'"
    scontrol = f"""
case "$1" in
    ping) {twice % ("pinged", "pinged", down)}; echo 'Slurmctld(primary) at controller is UP';;
    update) {twice % ("updated", "updated", ":")};;
esac
"""
    return {
        "scontrol": commands("scontrol", scontrol),
        "scancel": commands("scancel", ""),
        "squeue": tmp_path / "squeue.calls",
    }


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "slurm.conf"
    file.write_text(f"ClusterName=x\n{SHUT}")
    return file


def has_jobs(tmp_path: Path, *jobs: tuple[str, str, str, Path]) -> None:
    """Have squeue tell of jobs: id, state, name, folder."""
    (tmp_path / "squeue").write_text("".join(f"{i} {state} {n}\n" for i, state, n, _ in jobs))
    for job_id, _, _, folder in jobs:
        (tmp_path / f"squeue{job_id}").write_text(f"{folder}\n")


def run_of(jobs: Path, name: str, *files: str) -> Path:
    folder = jobs / name
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).touch()
    return folder


@pytest.mark.parametrize(
    ("accounting", "highest"),
    [("", 0), ("7\n12\n9\n", 12), ("7\n12.batch\nsacct: error\n", 7), ("\n", 0)],
)
def test_the_highest_id_of_the_accounting(accounting: str, highest: int) -> None:
    assert recovery.highest_id(accounting) == highest


def test_no_id_is_given_again_and_no_job_starts() -> None:
    before = f"ClusterName=x\n# State=UP \n{OPEN}"
    after = recovery.prepared(before, 41)
    assert after == f"ClusterName=x\n# State=UP \n{SHUT}FirstJobId=141\n"
    assert recovery.opened(after) == f"{before}FirstJobId=141\n"


@pytest.mark.parametrize(
    ("script", "first"),
    [("echo 7; echo 41", 141), ("echo 41; exit 1", 141), ("sleep 5", 100), (None, 100)],
)
def test_the_controllers_configuration_for_its_start(
    commands: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, first: int
) -> None:
    monkeypatch.setattr(recovery, "ACCOUNTING_SECONDS", 0.3)
    monkeypatch.setattr(recovery, "CONFIGURATION", tmp_path / "none")
    asked = commands("sacct", script) if script else None
    file = tmp_path / "slurm.conf"
    file.write_text(OPEN)
    file.chmod(0o644)
    recovery.prepare(file)
    assert file.read_text() == f"{SHUT}FirstJobId={first}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644, "slurmctld is not root"
    if asked:
        assert "--duplicates" in asked.read_text(), "an id was given twice already, perhaps"


def test_a_configuration_that_cannot_be_changed_is_no_start(commands: Make, tmp_path: Path) -> None:
    commands("sacct", "")
    with pytest.raises(OSError, match="none"):
        recovery.prepare(tmp_path / "none")


def test_what_a_runs_directory_tells(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    assert look(str(run_of(jobs, "new"))) == Run()
    assert look(str(run_of(jobs, "started", "started.json"))) == Run(started=True)
    folder = run_of(jobs, "over", "started.json", "report.json")
    assert look(str(folder)) == Run(over=True, started=True)
    assert look(str(jobs / "gone")) == Run(over=True), "nobody waits for it any more"


def test_a_home_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    for folder in ("", "/", "/x", str(tmp_path / "no jobs" / "run"), f"{tmp_path}/\ufffd",
                   "relative", f"{tmp_path}/{'x' * 300}"):  # fmt: skip
        assert look(folder) == Run(), folder


def test_no_link_of_a_students_is_followed(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    there = run_of(jobs, "there", "started.json")
    (jobs / "link").symlink_to(there)
    assert look(str(jobs / "link")) == Run(over=True), "a run's directory is none"
    folder = run_of(jobs, "linked")
    (folder / "started.json").symlink_to(tmp_path / "secret")
    assert look(str(folder)) == Run(started=True), "the name is there, wherever it leads"


def test_nothing_of_a_students_is_opened(tmp_path: Path) -> None:
    folder = run_of(tmp_path, "run")
    os.mkfifo(folder / "report.json")
    began = time.monotonic()
    assert look(str(folder)) == Run(over=True)
    assert look(str(folder / "report.json")) == Run(over=True)
    assert time.monotonic() - began < 1, "whoever opens a FIFO waits"


@pytest.mark.parametrize(
    ("status", "run", "action"),
    [
        (JobStatus.RUNNING, Run(), Action.LEAVE),
        (JobStatus.RUNNING, Run(started=True), Action.LEAVE),
        (JobStatus.RUNNING, Run(over=True, started=True), Action.CANCEL),
        (JobStatus.PENDING, Run(), Action.LEAVE),
        (JobStatus.PENDING, Run(started=True), Action.HOLD),
        (JobStatus.PENDING, Run(over=True), Action.CANCEL),
        (JobStatus.PENDING, Run(over=True, started=True), Action.CANCEL),
        (JobStatus.UNKNOWN, Run(started=True), Action.LEAVE),
    ],
)
def test_what_is_done_about_a_job(status: JobStatus, run: Run, action: Action) -> None:
    assert decide(status, run) is action


def test_only_runs_are_settled() -> None:
    text = f"7 PENDING {NAME}\n 8 RUNNING {NAME.upper()}\n9 RUNNING other\n10 RUNNING {NAME}0\n"
    text += f"x RUNNING {NAME}\n11 RUNNING {NAME}\n\nerror\n"
    assert recovery.parse_queue(text) == [("7", JobStatus.PENDING), ("11", JobStatus.RUNNING)]


def test_all_is_settled_before_a_job_starts(
    slurm: dict[str, Path], configuration: Path, tmp_path: Path
) -> None:
    jobs = tmp_path / "jobs"
    has_jobs(
        tmp_path,
        ("1", "RUNNING", NAME, run_of(jobs, "1", "started.json")),
        ("2", "RUNNING", NAME, run_of(jobs, "2", "started.json", "report.json")),
        ("3", "PENDING", NAME, run_of(jobs, "3")),
        ("4", "PENDING", NAME, jobs / "gone"),
        ("5", "RUNNING", "somebody's", jobs / "gone"),
        ("6", "PENDING", NAME, tmp_path / "no home" / "6"),
    )
    recovery.settle(configuration)
    assert calls(slurm["scancel"]) == ["2", "4"]
    opening = "update PartitionName=cfiddle State=UP"
    assert calls(slurm["scontrol"]) == ["ping", "ping", opening, opening]
    assert configuration.read_text() == f"ClusterName=x\n{OPEN}"
    assert "--states=PENDING,RUNNING" in calls(slurm["squeue"])[0]


@pytest.mark.parametrize("ends", [True, False])
def test_what_has_started_is_not_started_again_while_it_may_run(
    slurm: dict[str, Path],
    configuration: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: bool,
) -> None:
    folder = run_of(tmp_path / "jobs", "7", "started.json")
    has_jobs(tmp_path, ("7", "PENDING", NAME, folder))
    began = time.monotonic()
    if ends:
        monkeypatch.setattr(recovery, "GIVE_UP_SECONDS", 60.0)
    recovery.settle(configuration)
    said = calls(slurm["scontrol"])
    assert said[:4] == ["ping", "ping", "hold 7", "update PartitionName=cfiddle State=UP"]
    assert "release 7" not in said, "others start before this one is settled"
    if ends:
        (folder / "report.json").touch()
    while not calls(slurm["scancel"]) and "release 7" not in calls(slurm["scontrol"]):
        assert time.monotonic() - began < 30
        time.sleep(0.02)
    assert calls(slurm["scancel"]) == (["--quiet 7"] if ends else [])


@pytest.mark.parametrize("broken", ["squeue", "look", "scancel", "one"])
def test_whatever_fails_jobs_start(
    slurm: dict[str, Path],
    commands: Make,
    configuration: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    gone = tmp_path / "jobs" / "gone"
    gone.parent.mkdir()
    has_jobs(tmp_path, ("1", "RUNNING", NAME, gone), ("2", "RUNNING", NAME, gone))
    if broken == "look":
        monkeypatch.setattr(recovery, "look", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            recovery.settle(configuration)
    else:
        if broken == "one":
            (tmp_path / "squeue1").unlink()
        else:
            (tmp_path / "commands" / broken).unlink()
        recovery.settle(configuration)
    assert configuration.read_text() == f"ClusterName=x\n{OPEN}"
    assert calls(slurm["scontrol"])[-1] == "update PartitionName=cfiddle State=UP"
    assert calls(slurm["scancel"]) == (["2"] if broken == "one" else [])


def test_the_commands(
    slurm: dict[str, Path], commands: Make, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands("sacct", "echo 1")
    monkeypatch.setattr(recovery.prepare, "__defaults__", (configuration,))
    monkeypatch.setattr(recovery.settle, "__defaults__", (configuration,))
    assert recovery.main(["prepare"]) == 0
    assert "FirstJobId=101" in configuration.read_text()
    assert recovery.main(["settle"]) == 0
    assert "State=UP" in configuration.read_text()
    assert recovery.main([]) == 2

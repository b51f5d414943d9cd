"""``python -m cfiddle_slurm.cluster``: the commands for the cluster as a whole."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cfiddle_slurm.cluster import __main__ as command_line
from cfiddle_slurm.cluster.changes import lifecycle, provision, unchanged, upgrade
from cfiddle_slurm.cluster.changes.lifecycle import Foreseen, State, Step
from cfiddle_slurm.cluster.commands import lifecycle as commands
from cfiddle_slurm.cluster.commands import updating
from cfiddle_slurm.cluster.health import check, overview, trial
from cfiddle_slurm.cluster.health.check import Finding, Level
from cfiddle_slurm.cluster.health.trial import Trial
from cfiddle_slurm.cluster.hosts.fleet import Incomplete
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import images
from cfiddle_slurm.cluster.members import swarm, swarm_state
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.people.account_book import AccountError
from cfiddle_slurm.cluster.people.open_work import OpenWork
from cfiddle_slurm.cluster.services import slurm
from cfiddle_slurm.cluster.services.stack import NotHealthy
from cfiddle_slurm.cluster.site import config
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.cluster.site.kit import KitError
from cfiddle_slurm.process import CommandTimeout
from cfiddle_slurm.slurm_states import Node
from tests.unit.cluster.conftest import HEAD
from tests.unit.cluster.health.test_overview import GOOD
from tests.unit.cluster.recorder import Recorder

FILE = Path("cluster.toml")
WHOLE = Trial("w1", "jovyan", 654669057, 0.02, "ok")


def call(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command_line.main, arguments, input=answer)


@pytest.fixture
def steps(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A cluster on which nothing is done; it is up, and well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / f"{tmp_path.name} caches"))
    recorder.replace(lifecycle, up=None, down=None)
    recorder.replace(swarm_state, check=True)
    recorder.replace(unchanged, check=None)
    recorder.replace(check, run=[])
    recorder.replace(provision, all_machines=None)
    recorder.replace(images, build_all=None)
    recorder.replace(overview, gather=GOOD)
    recorder.replace(swarm, state="active",
                     workers=[Member("id1", "w1", "w1", frozenset(), True)])  # fmt: skip
    recorder.replace(slurm, nodes=[Node("w1", "idle", "", "")])
    recorder.replace(trial, on_workers=[WHOLE], of_users_at_once=[WHOLE])
    recorder.replace(user_node, jupyter_url="http://x/lab")
    return recorder


def written(**values: object) -> Config:
    FILE.write_text(config.example({"workers": ("w1",), **values}))
    return config.load(FILE)


@pytest.mark.usefixtures("steps")
def test_init_writes_what_it_is_told() -> None:
    result = call("init", "--head=h", "--worker=w1", "--worker=w2", "--ssh-user=admin")
    assert result.exit_code == 0, result.output
    found = config.load(FILE)
    assert (found.head, found.workers) == ("h", ("w1", "w2"))
    assert (found.ssh_user, found.home) == ("admin", "nfs")
    assert [path.name for path in Path().iterdir()] == ["cluster.toml"]


@pytest.mark.usefixtures("steps")
def test_init_never_writes_over_what_is_there() -> None:
    FILE.write_text("# mine\n")
    result = call("init", "--head=h")
    assert (result.exit_code, FILE.read_text()) == (0, "# mine\n")
    assert "was not changed" in result.output
    assert call("init", "--head=h", "--force").exit_code == 0
    assert config.load(FILE).head == "h"


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    "arguments", [["--head=a b"], ["--worker=w1", "--worker=w1"], ["--worker=w1", "--home=volume"]]
)
def test_init_leaves_nothing_behind_that_is_wrong(arguments: list[str]) -> None:
    FILE.write_text("# mine\n")
    result = call("init", "--force", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert [path.name for path in Path().iterdir()] == ["cluster.toml"]
    assert FILE.read_text() == "# mine\n"


def test_another_file_can_be_named(steps: Recorder) -> None:
    written()
    Path("other.toml").write_text(config.example({"head": "elsewhere"}))
    assert call("--config=other.toml", "check").exit_code == 0
    assert steps.arguments["check.run"] == (config.load(Path("other.toml")),)
    result = call("--config=missing.toml", "check")
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no missing.toml")


def test_a_port_that_would_be_ignored_is_refused(steps: Recorder) -> None:
    written()
    result = call("--port=9999", "up")
    assert (result.exit_code, "Set jupyter_port in" in result.output) == (1, True)
    assert steps.calls == []
    FILE.unlink()
    assert call("--port=9999", "up").exit_code == 0
    assert steps.arguments["lifecycle.up"][0] == Config(jupyter_port=9999)


@pytest.mark.parametrize(
    ("levels", "status", "words"),
    [
        ([], 0, "All is fine"),
        ([Level.FINE], 0, "All is fine"),
        ([Level.WARNING, Level.FINE], 1, "It can work"),
        ([Level.FAILURE, Level.WARNING], 2, "It cannot work"),
    ],
)
def test_check_is_for_people_and_for_scripts(
    steps: Recorder, levels: list[Level], status: int, words: str
) -> None:
    found = [Finding("w1", "disk", level, f"found {level.name}", "mend it") for level in levels]
    steps.replace(check, run=found)
    result = call("check")
    assert result.exit_code == status
    assert words in result.output
    assert all(row.found in result.output for row in found)


def test_up_without_workers_is_a_cluster_of_one_machine(steps: Recorder) -> None:
    result = call("up")
    assert result.exit_code == 0, result.output
    assert "a cluster of one machine: this machine measures, too" in result.output
    assert steps.arguments["lifecycle.up"][0] == Config()
    assert call("init").exit_code == 0
    wanted = config.load(FILE)
    assert (wanted.workers, wanted.home) == ((), "volume")
    assert call("up").exit_code == 0
    assert steps.arguments["lifecycle.up"][0] == wanted


def test_up_tries_every_worker_at_the_end(steps: Recorder) -> None:
    wanted = written()
    result = call("up", "--timeout=7")
    assert result.exit_code == 0, result.output
    assert steps.arguments["lifecycle.up"][:2] == (wanted, 7)
    assert steps.arguments["trial.on_workers"] == (HEAD, ["w1"], "jovyan")
    assert steps.calls[-1] == "user_node.jupyter_url"
    assert "http://x/lab" in result.output
    steps.calls.clear()
    assert call("up", "--no-test").exit_code == 0
    assert "trial.on_workers" not in steps.calls


def test_a_dry_run_shows_the_plan_and_changes_nothing(steps: Recorder, locks: list[str]) -> None:
    wanted = written()
    steps.replace(lifecycle, foresee_up=[
        Foreseen(Step("head", "reach the head", print), State.DONE),
        Foreseen(Step("swarm", "make the swarm", print, ("head",)), State.TO_DO),
        Foreseen(Step("data", "see the data", print), State.FAILS, "The name [bold]is another."),
    ])  # fmt: skip
    result = call("up", "--dry-run")
    assert result.exit_code == 0, result.output
    assert steps.calls == ["lifecycle.foresee_up"]
    assert steps.arguments["lifecycle.foresee_up"][0] == wanted
    rows = {line.split()[1]: line for line in result.output.splitlines() if "\u2502" in line}
    assert "to do" in rows["swarm"] and "make the swarm" in rows["swarm"]
    assert "done" in rows["head"]
    assert "The name [bold]is another." in rows["data"]
    assert "Nothing was changed." in result.output
    assert locks == [], "whoever changes something meanwhile is not in the way"


def test_up_local_takes_no_other_machine_whatever_the_file_says(steps: Recorder) -> None:
    written(head="h")
    assert call("--port=9999", "up", "--local").exit_code == 0
    assert steps.arguments["lifecycle.up"][0] == Config(jupyter_port=9999)


@pytest.mark.parametrize(
    "bad",
    [
        {"on_workers": [Trial("w1", "jovyan", error="crashed")]},
        {"on_workers": [Trial("w1", "jovyan", 1, 0.02, "ok")]},
        {"of_users_at_once": [Trial("", "test_user1", error="no")]},
    ],
)
def test_a_worker_that_does_not_measure_is_an_error(
    steps: Recorder, bad: dict[str, list[Trial]]
) -> None:
    steps.replace(trial, **bad)
    result = call("test")
    assert result.exit_code == 1
    assert "Error: Not every worker can run experiments." in result.output


def test_a_worker_that_takes_no_jobs_is_named(steps: Recorder) -> None:
    members = [Member(f"id{name}", name, name, frozenset(), True) for name in ("w1", "w2")]
    steps.replace(swarm, workers=members)
    result = call("test")
    assert result.exit_code == 1
    assert "w2 takes no jobs" in result.output
    steps.replace(swarm, workers=members[:1])
    assert call("test").exit_code == 0


def test_another_time_is_shown_and_no_error(steps: Recorder) -> None:
    slow = Trial("w1", "jovyan", 654669057, 0.04, "ok", deviation=0.5)
    steps.replace(trial, on_workers=[slow])
    result = call("test")
    assert result.exit_code == 0
    assert "+50.0 %  differs" in result.output


def test_up_without_one_worker_tries_the_others_and_says_so(steps: Recorder) -> None:
    written()
    dead = Incomplete("w2 does not answer.\nThe rest is up.", [Machine("w2.lan")])
    steps.replace(lifecycle, up=dead)
    # Slurm and the swarm have not noticed yet.
    steps.replace(slurm, nodes=[Node("w1", "idle", "", ""), Node("w2", "idle", "", "")])
    names = {"w1": "w1.lan", "w2": "w2.lan"}
    members = [Member(f"id{n}", n, at, frozenset(), True) for n, at in names.items()]
    steps.replace(swarm, workers=members)
    result = call("up")
    assert result.exit_code == 1
    assert steps.calls.count("trial.on_workers") == 1
    assert result.output.endswith("x/lab\nError: w2 does not answer.\nThe rest is up.\n")
    assert steps.arguments["trial.on_workers"][1] == ["w1"]


def test_an_update_that_cannot_be_is_refused_before_anything_is_built(steps: Recorder) -> None:
    written(name="other")
    steps.replace(unchanged, check=MachineError("The cluster is called 'cfiddle'."))
    result = call("update")
    assert (result.exit_code, result.output) == (1, "Error: The cluster is called 'cfiddle'.\n")
    assert "images.build_all" not in steps.calls


@pytest.mark.usefixtures("steps")
def test_commands_for_the_whole_cluster_that_change_it_hold_its_lock(locks: list[str]) -> None:
    written()
    changing = ["provision", "up", "update", "down"]
    for command in (*changing, "check", "status", "test", "url"):
        assert call(command).exit_code == 0
    assert locks == changing


def test_down_asks_for_the_name_before_data_are_removed(steps: Recorder) -> None:
    written(name="lab")
    for answer in ("", "y\n", "yes\n", "cfiddle\n"):
        result = call("down", "--purge", answer=answer)
        assert result.exit_code == 1
    assert "That is not the cluster's name; nothing was removed." in result.output
    assert steps.calls == []
    assert call("down", "--purge", answer="lab\n").exit_code == 0
    assert steps.arguments["lifecycle.down"][1] is True
    assert call("down", "--purge", "--yes").exit_code == 0


def test_down_without_a_word_about_data_keeps_them_and_asks_nothing(steps: Recorder) -> None:
    result = call("down")
    assert result.exit_code == 0
    assert "its data are kept" in result.output
    assert steps.arguments["lifecycle.down"][1] is False


def test_status_is_for_people_and_for_scripts(steps: Recorder) -> None:
    result = call("status")
    assert result.exit_code == 0
    assert "idle" in result.output and "http://x/lab" in result.output
    assert json.loads(call("status", "--json").output) == GOOD
    steps.replace(overview, gather={**GOOD, "trouble": ["no controller"]})
    assert call("status").exit_code == 1
    assert call("status", "--json").exit_code == 1
    assert call("status", "--json", "--watch").exit_code == 2


def test_a_watched_cluster_may_fail_and_come_back(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = iter([GOOD, MachineError("no \x1b[2J answer"), GOOD, KeyboardInterrupt()])

    def gather(*_: object) -> object:
        found = next(facts)
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr(overview, "gather", gather)
    monkeypatch.setattr(commands, "_WATCH_SECONDS", 0.0)
    result = call("status", "--watch")
    assert result.exit_code == 0
    assert (result.output.count("Services"), result.output.count("no \\x1b[2J answer")) == (2, 1)


def test_update_builds_and_then_waits_for_running_jobs(steps: Recorder) -> None:
    assert call("update", "--timeout=10").exit_code == 0
    assert steps.calls[-2:] == ["images.build_all", "lifecycle.up"]
    assert steps.arguments["lifecycle.up"][1] == 10 + Config().policy.wall_seconds + 120
    steps.replace(swarm_state, check=False)
    result = call("update")
    assert result.exit_code == 1
    assert "The cluster is not up: `up` starts it." in result.output


POSTPONED = upgrade.Postponed(OpenWork({"jovyan": 2, "ana": 1}), {})


@pytest.mark.parametrize("command", [("update",), ("up",)])
def test_whom_an_update_would_cut_off_is_said(steps: Recorder, command: tuple[str, ...]) -> None:
    written(head="h", workers=("w1",), home="nfs")
    steps.replace(lifecycle, up=POSTPONED)
    result = call(*command)
    assert result.exit_code == 0
    said = " ".join(result.output.split())
    assert "Open on the user node: 3 notebooks (jovyan 2, ana 1). The user node keeps" in said
    assert "`update --now`" in said
    assert steps.arguments["lifecycle.up"][3:] in ((), (False,))


def test_update_now_asks_nobody(steps: Recorder) -> None:
    assert call("update", "--now").exit_code == 0
    assert steps.arguments["lifecycle.up"][-1] is True


def test_update_at_waits(steps: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.replace(lifecycle, up=POSTPONED)
    steps.replace(upgrade, finish=True)
    monkeypatch.setattr(updating, "_STEP_SECONDS", 0.01)
    monkeypatch.setattr(upgrade, "next_time", lambda text, now: now + timedelta(seconds=0.3))
    result = call("update", "--at", "03:00")
    assert result.exit_code == 0
    assert "3 notebooks (jovyan 2, ana 1)" in result.output
    assert "Waiting until " in result.output and "is up to date." in result.output
    assert steps.calls[-1] == "upgrade.finish"
    steps.replace(upgrade, finish=False)
    assert "Another update came first" in call("update", "--at", "03:00").output


def test_whoever_stops_waiting_has_changed_nothing(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    steps.replace(lifecycle, up=POSTPONED)
    steps.replace(upgrade, finish=True)
    monkeypatch.setattr("time.sleep", stop)
    result = call("update", "--at", "03:00")
    assert result.exit_code == 130
    assert "The user node stays as it is." in result.output
    assert "upgrade.finish" not in steps.calls


def test_with_nothing_open_there_is_nothing_to_wait_for(steps: Recorder) -> None:
    result = call("update", "--at", "03:00")
    assert (result.exit_code, "Waiting" in result.output) == (0, False)


@pytest.mark.parametrize("words", [("--at", "25:00"), ("--at", "soon"), ("--at=03:00", "--now")])
def test_a_time_that_is_none_changes_nothing(steps: Recorder, words: tuple[str, ...]) -> None:
    assert call("update", *words).exit_code == 2
    assert steps.calls == []


def test_the_address_is_all_that_is_printed(steps: Recorder) -> None:
    assert call("url").output == "http://x/lab\n"
    assert steps.arguments["user_node.jupyter_url"] == (HEAD, 8888)


def test_the_address_is_another_machines_as_ssh_knows_it(steps: Recorder) -> None:
    written(head="h.lan")
    call("url")
    assert steps.arguments["user_node.jupyter_url"] == (Machine("h.lan"), 8888)


def test_provision_prepares_all_machines(steps: Recorder) -> None:
    wanted = written()
    assert call("provision").exit_code == 0
    assert steps.arguments["provision.all_machines"][0] == wanted


@pytest.mark.parametrize(
    "error",
    [
        NotHealthy("The service worker is not healthy."),
        MachineError("w1 cannot be reached."),
        ConfigError("There is no cluster.toml."),
        AccountError("There is no ann."),
        KitError("The kit is not whole."),
        CommandTimeout("docker did not end."),
    ],
)
def test_what_goes_wrong_is_one_message(steps: Recorder, error: Exception) -> None:
    steps.replace(lifecycle, up=error)
    result = call("up", "--local")
    assert result.exit_code == 1
    assert result.output == f"Error: {error}\n"


def test_a_mistake_in_the_program_is_not_hidden(steps: Recorder) -> None:
    steps.replace(lifecycle, up=KeyError("x"))
    assert isinstance(call("up", "--local").exception, KeyError)

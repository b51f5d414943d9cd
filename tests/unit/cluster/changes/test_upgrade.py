"""The user node while the rest of the cluster changes."""

from datetime import datetime

import pytest

from cfiddle_slurm.cluster.changes import upgrade
from cfiddle_slurm.cluster.changes.upgrade import Deployed, Postponed, Work
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.people import open_work
from cfiddle_slurm.cluster.people.open_work import OpenWork
from cfiddle_slurm.cluster.services import rendering, stack
from cfiddle_slurm.cluster.services.stack import NotHealthy, Service
from cfiddle_slurm.cluster.site.config import Config
from tests.unit.cluster.conftest import HEAD, Program
from tests.unit.cluster.recorder import Recorder

OLD = Deployed("cfiddle-user:old", "one", "cfiddle-sandbox:old")
NEW = Deployed("cfiddle-user:new", "two", "cfiddle-sandbox:new")
REST = Deployed("cfiddle-cluster:new", "two", "cfiddle-sandbox:new")
WANTED = {rendering.EDITION: "two"}
OPEN = OpenWork({"ann": 1})


def nobody(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def steps(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """An old user node on which somebody works."""
    recorder.replace(upgrade, deployed={"user": OLD, "sandboxd": REST})
    recorder.replace(open_work, look=OPEN)
    tasks = iter("1112")
    monkeypatch.setattr(upgrade, "_task", lambda head: next(tasks))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    recorder.replace(stack, container_on="c0ffee", deploy_user_node=None, wait_until_healthy=None)
    return recorder


def settled(say: upgrade.Say = nobody, *, now: bool = False) -> Postponed | None:
    work = Work(Config(), 60, say, now=now, variables=WANTED)
    upgrade.replace_user_node(work)
    return work.postponed


def test_nobody_is_cut_off_unasked(steps: Recorder) -> None:
    left = settled()
    assert left == Postponed(OPEN, WANTED)
    assert "stack.deploy_user_node" not in steps.calls
    for word in ("1 notebook (ann 1)", "`update --now`", "`update --at 03:00`", "idle"):
        assert word in str(left)


def test_whom_a_replacement_cuts_off_is_said_before(steps: Recorder) -> None:
    said: list[str] = []
    assert settled(said.append, now=True) is None
    assert said == [
        "replacing the user node cuts off: 1 notebook (ann 1)",
        "the user node is replaced",
    ]
    assert steps.calls[-2:] == ["stack.deploy_user_node", "stack.wait_until_healthy"]


def test_where_nothing_is_open_it_is_replaced(steps: Recorder) -> None:
    steps.replace(open_work, look=OpenWork())
    said: list[str] = []
    assert settled(said.append) is None
    assert "stack.deploy_user_node" in steps.calls
    assert said == ["the user node is replaced"]


def test_one_that_is_the_right_one_is_not_even_looked_at(steps: Recorder) -> None:
    steps.replace(upgrade, deployed={"user": NEW, "sandboxd": REST})
    assert settled() is None
    assert steps.calls == ["upgrade.deployed"]


CONTROLLER = dict.fromkeys(("database", "accounting", "controller"), REST)


@pytest.mark.parametrize(
    ("services", "image", "deployed"),
    [
        ({}, "cfiddle-cluster:new", [()]),
        (CONTROLLER, "cfiddle-cluster:new", [()]),
        (CONTROLLER, "cfiddle-cluster:newer", [("database", "accounting"), ()]),
    ],
)
def test_the_controller_finds_its_database_when_it_is_replaced(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch,
    services: dict[str, Deployed], image: str, deployed: list[tuple[str, ...]],
) -> None:  # fmt: skip
    found: list[tuple[str, ...]] = []

    def deploy(head: object, config: object, only: tuple[str, ...] = ()) -> dict[str, str]:
        found.append(only)
        return WANTED

    steps.replace(stack, versioned=image)
    monkeypatch.setattr(stack, "deploy", deploy)
    answers = iter(["old1", "old2", "old1", "", "new1", "old2", "new2"])
    monkeypatch.setattr(upgrade, "_container", lambda head, name: next(answers))
    work = Work(Config(), 60, nobody, before=services)
    upgrade.roll_out(work)
    assert work.variables == WANTED
    assert found == deployed


def test_where_the_database_does_not_come_the_controller_stays(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.replace(stack, versioned="cfiddle-cluster:newer", deploy=WANTED)
    monkeypatch.setattr(upgrade, "_container", lambda head, name: "old")
    with pytest.raises(NotHealthy, match="The new database is not healthy after 0 seconds"):
        upgrade.roll_out(Work(Config(), 0, nobody, before=CONTROLLER))
    assert steps.calls.count("stack.deploy") == 1


@pytest.mark.parametrize(
    ("services", "container", "at_once"),
    [
        ({}, "c0ffee", True),  # the first start
        ({"user": NEW, "sandboxd": REST}, "c0ffee", True),
        ({"user": OLD}, "c0ffee", False),
        ({"user": Deployed("u:1")}, "c0ffee", False),  # of a version that had no labels
        ({"user": OLD}, NotHealthy("none"), True),  # else a broken one could never be mended
    ],
)
def test_what_may_come_with_the_rest(
    steps: Recorder, services: dict[str, Deployed], container: object, at_once: bool
) -> None:
    steps.replace(stack, container_on=container)
    upgrade.deploy_user_node(Work(Config(), 60, nobody, before=services, variables=WANTED))
    assert ("stack.deploy_user_node" in steps.calls) is at_once


def test_an_engine_that_does_not_answer_is_no_first_start(steps: Recorder) -> None:
    steps.replace(stack, container_on=MachineError("no route"))
    with pytest.raises(MachineError):
        upgrade.deploy_user_node(Work(Config(), 60, nobody, before={"user": OLD}, variables=WANTED))
    assert "stack.deploy_user_node" not in steps.calls


@pytest.mark.parametrize(
    ("services", "made"),
    [
        ({"user": OLD, "sandboxd": REST}, True),
        ({"user": NEW, "sandboxd": REST}, False),  # another update was quicker
        ({"user": OLD, "sandboxd": Deployed("c:3", "three")}, False),  # a newer one came
    ],
)
def test_what_was_postponed_is_made_unless_another_update_came(
    steps: Recorder, services: dict[str, Deployed], made: bool
) -> None:
    steps.replace(upgrade, deployed=services)
    left = Postponed(OPEN, WANTED)
    said: list[str] = []
    assert upgrade.finish(left, Config(), 60, said.append) is made
    assert ("stack.deploy_user_node" in steps.calls) is made


@pytest.mark.parametrize(
    ("services", "older"),
    [
        ({"user": OLD, "sandboxd": REST}, True),
        ({"user": Deployed("u:1"), "sandboxd": REST}, True),
        ({"user": NEW, "sandboxd": REST}, False),
        ({"user": Deployed("u:1"), "sandboxd": Deployed("c:1")}, False),
        ({"sandboxd": REST}, False),
        ({}, False),
    ],
)
def test_a_user_node_is_older_than_the_rest_or_not(
    services: dict[str, Deployed], older: bool
) -> None:
    assert upgrade.is_older(services) is older


def test_images_that_are_needed_stay() -> None:
    services = {"user": OLD, "sandboxd": REST, "munge": Deployed("cfiddle-cluster:new")}
    assert upgrade.images_in_use(services) == {
        "cfiddle-user:old", "cfiddle-sandbox:old", "cfiddle-cluster:new", "cfiddle-sandbox:new"
    }  # fmt: skip


def test_what_was_deployed_is_read_from_the_services(
    docker: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "services", lambda head: [Service("munge", 1, 1)])
    docker.answers(
        "service inspect *", "echo 'cfiddle_munge|c:1||'; echo; echo 'cfiddle_user|u:1|one|s:1'"
    )
    found = upgrade.deployed(HEAD)
    assert found == {"munge": Deployed("c:1"), "user": Deployed("u:1", "one", "s:1")}
    assert docker.calls[0][-1] == "cfiddle_munge"
    monkeypatch.setattr(stack, "services", lambda head: [])
    assert upgrade.deployed(HEAD) == {}


@pytest.mark.parametrize(
    ("text", "day"), [("03:00", 8), ("12:01", 7), ("12:00", 8), ("23:59", 7), ("00:00", 8)]
)
def test_a_time_of_day_is_the_next(text: str, day: int) -> None:
    found = upgrade.next_time(text, datetime(2030, 5, 7, 12, 0, 30))
    assert (found.day, f"{found:%H:%M:%S}") == (day, f"{text}:00")

"""What `up` would do, told without doing it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cfiddle_slurm.cluster.changes import (
    bring_up,
    lifecycle,
    revival,
    unchanged,
    upgrade,
)
from cfiddle_slurm.cluster.changes.lifecycle import Foreseen, State, Step
from cfiddle_slurm.cluster.changes.upgrade import Deployed, Work
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import distribution
from cfiddle_slurm.cluster.image.images import CLUSTER, SANDBOX, USER
from cfiddle_slurm.cluster.members import identity, swarm, swarm_state
from cfiddle_slurm.cluster.members.identity import Identity
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.people import accounts
from cfiddle_slurm.cluster.people.account_book import Account
from cfiddle_slurm.cluster.services import credentials, rendering, stack
from cfiddle_slurm.cluster.services.stack import NotHealthy, Service
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.process import Completed
from tests.unit.cluster.recorder import Recorder

THREE = Config(workers=("w1", "w2"), home="nfs", home_quota=1 << 30)
NAMES = [
    "head", "certificates", "swarm-answers", "images", "data", "workers", "machines", "port",
    "swarm", "secrets", "homes", "accounts", "distribution", "roles", "links", "services",
    "user-node", "health", "limits", "queue", "quotas", "newer-user-node", "leftovers",
]  # fmt: skip
DIGESTS = {image.name: f"sha256:{image.name}" for image in (CLUSTER, SANDBOX, USER)}
ROLES = {"h": ("head", "user"), "w1": ("worker",), "w2": ("worker",)}


def quiet(text: str) -> None:
    """Nobody listens."""


def fail(work: object) -> None:
    raise MachineError("no")


def do_nothing(work: object) -> None:
    """All is there."""


def states(steps: list[Foreseen]) -> dict[str, State]:
    return {one.step.name: one.state for one in steps}


def test_what_is_seen_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Work] = []
    steps = [
        Step("fine", "look", do_nothing, only_looks=True),
        Step("there", "make", done.append, ("fine",), is_done=lambda work: True),
        Step("always", "write", done.append, ("there",)),
        Step("missing", "make", done.append, ("always",), is_done=lambda work: False),
        Step("behind", "make", done.append, ("missing",), is_done=fail),  # type: ignore[arg-type]
        Step("bad", "look", fail, ("fine",), only_looks=True),
        Step("after", "make", done.append, ("bad",), is_done=lambda work: True),
        Step("other", "make", done.append, concerns=lambda work: False),
    ]
    monkeypatch.setattr(lifecycle, "STEPS", steps)
    found = lifecycle.foresee_up(Config(), quiet)
    assert states(found) == {
        "fine": State.DONE,
        "there": State.DONE,
        "always": State.EACH_TIME,
        "missing": State.TO_DO,
        "behind": State.TO_DO,  # nobody looked: it would have failed
        "bad": State.FAILS,
        "after": State.TO_DO,
    }
    assert [step.why for step in found if step.why] == ["no"]
    assert done == [], "nothing was changed"


def test_steps_are_done_in_order_and_the_first_failure_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    steps = [
        Step("one", "", lambda work: done.append(f"{work.seconds} one")),
        Step("no", "", fail, concerns=lambda work: False),
        Step("two", "", lambda work: done.append("two"), is_done=lambda work: True),
        Step("three", "", fail),
        Step("four", "", lambda work: done.append("four")),
    ]
    monkeypatch.setattr(lifecycle, "STEPS", steps)
    with pytest.raises(MachineError):
        lifecycle.up(Config(), 7, quiet)
    assert done == ["7 one", "two"], "each step sees for itself what is missing"


def test_the_steps_of_up() -> None:
    assert [step.name for step in lifecycle.STEPS] == NAMES


def test_each_step_comes_after_those_that_it_needs() -> None:
    before: set[str] = set()
    for step in lifecycle.STEPS:
        assert before.issuperset(step.needs), step.name
        before.add(step.name)


def test_what_only_looks_comes_before_what_changes_and_is_needed_by_it() -> None:
    needs = {step.name: set(step.needs) for step in lifecycle.STEPS}

    def all_needs(name: str) -> set[str]:
        return needs[name].union(*map(all_needs, needs[name]))

    looks = {step.name for step in lifecycle.STEPS if step.only_looks}
    assert looks <= all_needs("swarm"), "nothing is changed before all that may be refused"


@pytest.fixture
def cluster(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A cluster of three machines that is up to date; whatever would change it fails."""
    members = [Member(f"id-{at}", at, at if at != "h" else "local", frozenset(roles), True)
               for at, roles in ROLES.items()]  # fmt: skip
    recorder.replace(lifecycle, require=None)
    recorder.replace(bring_up, require=None)
    monkeypatch.setattr(Machine, "shell", lambda *words: Completed((), 1, "", "no such port"))
    recorder.replace(revival, is_fine=True)
    recorder.replace(swarm_state, check=True)
    recorder.replace(unchanged, check=None)
    recorder.replace(identity, ask=Identity("h"), check=None, others={})
    recorder.replace(swarm, address_of="10.0.0.1", state="active", members=members)
    monkeypatch.setattr(swarm, "node_id", lambda at: "id-h" if at.is_local else f"id-{at.address}")
    recorder.replace(credentials, missing=[])
    recorder.replace(distribution, check_built=DIGESTS, are_everywhere=True)
    recorder.replace(stack, check_home=True, user_memory=1 << 30,
                     published_ports=[8888], services=[Service("user", 1, 1)])  # fmt: skip
    recorder.replace(accounts, listed=[Account(name, 1000, "/") for name in accounts.TEST_ACCOUNTS])
    deploy(recorder)
    return recorder


def deploy(recorder: Recorder, config: Config = THREE, **others: Deployed) -> None:
    """Have the cluster run what goes with the images that are built."""
    tags = [image.tag_of(DIGESTS[image.name]) for image in (CLUSTER, USER, SANDBOX)]
    config = rendering.pinned(replace(config, advertise="10.0.0.1"), tags[2])
    edition = rendering.environment(config, tags[0], tags[1], 1 << 30)[rendering.EDITION]
    services = {name: Deployed(tags[0]) for name in rendering.services(config)}
    services["sandboxd"] = Deployed(tags[0], edition, tags[2])
    services["user"] = Deployed(tags[1], edition, tags[2])
    recorder.replace(upgrade, deployed={**services, **others})
    recorder.replace(stack, configurations={each.name for each in rendering.configuration(config)})


def foreseen(config: Config = THREE) -> dict[str, State]:
    return states(lifecycle.foresee_up(config, quiet))


def test_of_a_cluster_that_is_up_to_date_all_is_done(cluster: Recorder) -> None:
    each_time = {"links", "limits", "queue", "quotas", "leftovers"}
    assert foreseen() == {
        name: State.EACH_TIME if name in each_time else State.DONE for name in NAMES
    }


def test_where_nothing_is_there_all_that_changes_is_to_be_done(cluster: Recorder) -> None:
    cluster.replace(swarm, state="inactive")
    cluster.replace(stack, check_home=False)
    cluster.replace(distribution, are_everywhere=False)
    found = foreseen()
    begins = NAMES.index("swarm")
    assert {found[name] for name in NAMES[:begins]} == {State.DONE}
    assert {found[name] for name in NAMES[begins:]} == {State.TO_DO}


def test_one_machine_has_no_steps_for_workers(cluster: Recorder) -> None:
    found = foreseen(Config())
    assert set(NAMES) - found.keys() == {"workers", "machines", "quotas"}
    assert found["roles"] is State.TO_DO, "the head is to measure, too"
    assert found["services"] is State.TO_DO


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda r: r.replace(revival, is_fine=False), "certificates"),
        (lambda r: r.replace(credentials, missing=["cfiddle_munge_key"]), "secrets"),
        (lambda r: r.replace(accounts, listed=[Account("jovyan", 1000, "/")]), "accounts"),
        (lambda r: r.replace(stack, services=[Service("user", 0, 1)]), "health"),
        (lambda r: r.replace(stack, services=[]), "health"),
        (lambda r: r.replace(stack, configurations=set()), "services"),
        (lambda r: deploy(r, worker=Deployed("cfiddle-cluster:older")), "services"),
        (lambda r: deploy(r, replace(THREE, jupyter_port=9999)), "services"),
        (lambda r: deploy(r, user=Deployed("u", "older", "s")), "user-node"),
        (lambda r: r.replace(upgrade, deployed={"sandboxd": Deployed("x")}), "services"),
        (lambda r: r.replace(swarm, members=[Member("id-h", "h", "local", frozenset(), True)]),
         "swarm"),
    ],
)  # fmt: skip
def test_the_first_thing_that_is_missing(
    cluster: Recorder, change: Callable[[Recorder], None], first: str
) -> None:
    change(cluster)
    found = foreseen()
    assert next(name for name in NAMES if found[name] is State.TO_DO) == first


@pytest.mark.parametrize("error", [MachineError("not there"), NotHealthy("not there")])
def test_what_would_fail_is_told_with_its_reason(cluster: Recorder, error: Exception) -> None:
    cluster.replace(unchanged, check=error)
    steps = lifecycle.foresee_up(THREE, quiet)
    assert [(one.step.name, one.why) for one in steps if one.why] == [("data", "not there")]
    assert states(steps)["swarm"] is State.TO_DO


def test_a_worker_that_does_not_answer_is_told_of(
    cluster: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def require(machine: Machine) -> None:
        if machine.address == "w2":
            raise MachineError("w2 is off.")

    monkeypatch.setattr(bring_up, "require", require)
    said: list[str] = []
    found = states(lifecycle.foresee_up(THREE, said.append))
    assert said == ["w2 is off. The others continue."]
    assert found["workers"] is State.DONE
    cluster.replace(bring_up, require=MachineError("off"))
    assert foreseen()["workers"] is State.FAILS


def test_a_work_knows_its_machines() -> None:
    work = Work(THREE, 1, quiet)
    assert (work.head, work.fleet.machines) == (Machine(), [Machine("w1"), Machine("w2")])
    assert not work.alone and Work(Config(), 1, quiet).alone

"""Every attack of tests/attacks, through the public API, as ordinary users, on real machines."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest

from tests.attacks.corpus import ATTACKS, SECONDS, Attack, Verdict, carry_out
from tests.machines.aftermath import (
    WORKERS,
    baseline,
    ids,
    jobs_started,
    left_of,
    newest_job,
)
from tests.machines.harness import Machines
from tests.machines.neighbour import Neighbour
from tests.machines.slowdown import Slowdown, Span, slowdown

pytestmark = pytest.mark.timeout(2400)
ATTACKERS = ("attacker1", "attacker2")
NEIGHBOUR = "neighbour"
UIDS = 21001
"""The kernel counts an account's processes on all machines that it carries, also those of another
cluster: what these accounts exhaust must be nobody else's."""
NAMES = sorted((path.name for path in ATTACKS), key=lambda name: (name[:9] != "resources", name))
LEAST_BESIDE = 30
"""So many attacks on resources there are at least, beside which a neighbour is measured."""
SETTLE_SECONDS = 20.0
"""An Epilog's time limit is 30 s; what takes longer than this is not cleaned up but forgotten."""


@dataclass
class Outcome:
    """How an attack ended, and what was wrong afterwards."""

    verdict: Verdict
    faults: list[str]


@dataclass
class Beside:
    """What the attacks on resources were to a neighbour, whose own error it is if it had one."""

    felt: Slowdown
    error: str | None


@dataclass
class Siege:
    """All attacks, carried out one after the other for each attacker; results by name."""

    outcomes: "dict[str, Future[Outcome]]"
    beside: "Future[Beside]" = field(default_factory=Future)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when nobody asks for outcomes any more."""


@pytest.fixture(scope="module")
def siege(cluster: Machines) -> Iterator[Siege]:
    """The attacks, under way: those on resources alone beside the neighbour, then the others by two
    attackers at once."""
    for number, user in enumerate((*ATTACKERS, NEIGHBOUR)):
        cluster.check("user", "add", user, f"--uid={UIDS + number}")
    before = {worker: baseline(cluster, worker) for worker in WORKERS}
    numbers = ids(cluster, ATTACKERS)
    made = Siege({name: Future() for name in NAMES})
    thread = threading.Thread(target=besiege, args=(cluster, made, numbers), daemon=True)
    thread.start()
    yield made
    made.abandoned.set()
    thread.join(SECONDS)
    assert {worker: baseline(cluster, worker) for worker in WORKERS} == before


def besiege(cluster: Machines, siege: Siege, numbers: dict[str, str]) -> None:
    """Carry out everything; whatever happens, nobody waits for an outcome that does not come."""
    try:
        attacks = [Attack.load(name) for name in NAMES]
        beside_a_neighbour(cluster, siege, attacks, numbers)
        free: SimpleQueue[str] = SimpleQueue()
        for user in ATTACKERS:
            free.put(user)
        with ThreadPoolExecutor(len(ATTACKERS)) as pool:
            for attack in attacks:
                if attack.group != "resources":
                    pool.submit(settle_by_one_of, free, cluster, siege, attack, numbers)
    except BaseException as error:  # it is raised again where the outcomes are asked for
        waited_for: list[Future[Any]] = [*siege.outcomes.values(), siege.beside]
        for future in waited_for:
            if not future.done():
                future.set_exception(error)


def beside_a_neighbour(
    cluster: Machines, siege: Siege, attacks: list[Attack], numbers: dict[str, str]
) -> None:
    """The attacks on resources, one after the other."""
    neighbour, user = Neighbour(cluster, NEIGHBOUR), ATTACKERS[0]
    neighbour.wait_for_the_first()
    spans = []
    for attack in attacks:
        if attack.group == "resources":
            outcome = settle(cluster, siege, attack, user, numbers[user])
            if outcome is not None:
                spans.append(Span(outcome.verdict.began, outcome.verdict.ended_at))
                siege.outcomes[attack.name].set_result(outcome)
    error = neighbour.stop()
    siege.beside.set_result(Beside(slowdown(neighbour.measured, spans), error))


def settle_by_one_of(
    free: "SimpleQueue[str]",
    cluster: Machines,
    siege: Siege,
    attack: Attack,
    numbers: dict[str, str],
) -> None:
    """As :func:`settle`, by the next attacker who has nothing to do."""
    user = free.get()
    outcome = settle(cluster, siege, attack, user, numbers[user])
    free.put(user)
    if outcome is not None:
        siege.outcomes[attack.name].set_result(outcome)


def settle(cluster: Machines, siege: Siege, attack: Attack, user: str, uid: str) -> Outcome | None:
    """Have a user carry out an attack, and look at what is left; None if that was not possible."""
    try:
        assert not siege.abandoned.is_set(), "the tests have ended"
        limited = "most_jobs" in attack.after
        began, newest = time.time(), newest_job(cluster, user) if limited else 0
        verdict = carry_out(attack, cluster.cluster, user)
        faults = attack.faults(verdict) + aftermath(cluster, user, uid)
        if limited:
            faults += too_many_jobs(attack, jobs_started(cluster, user, began, newest))
        return Outcome(verdict, faults)
    except BaseException as error:  # it is raised again where the outcome is asked for
        siege.outcomes[attack.name].set_exception(error)
        return None


def aftermath(cluster: Machines, user: str, uid: str) -> list[str]:
    """What is not as it was, once the cluster had time to clean up."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while True:
        found = left_of(cluster, uid, user)
        if not found or time.monotonic() > give_up:
            break
        time.sleep(0.3)
    return found


def too_many_jobs(attack: Attack, started: int) -> list[str]:
    """What is wrong if an attack had more jobs than it may; its ordinary run has one, too."""
    most = attack.after["most_jobs"]
    if started <= most + 1:
        return []
    return [f"{started - 1} jobs were started, not at most {most}"]


def test_there_are_attacks_of_every_group() -> None:
    attacks = [Attack.load(name) for name in NAMES]
    assert len(attacks) >= 60
    assert {attack.group for attack in attacks} == {
        "resources", "escape", "network", "bundle", "results", "queue", "daemon", "faking",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_attack(siege: Siege, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = siege.outcomes[name].result(1200)
    with capsys.disabled():
        words = f"{outcome.verdict.seconds:5.1f} s  {outcome.verdict.ended}"
        print(f"  {words[:90]}")
    assert outcome.faults == [], outcome.verdict.printed[-4000:]


def test_the_neighbour_had_no_error_and_was_not_slowed_down(
    siege: Siege, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = siege.beside.result(1200)
    with capsys.disabled():
        print(f"  {beside.felt}")
    assert beside.error is None
    assert len(beside.felt.ratios) >= LEAST_BESIDE
    assert beside.felt.faults() == []

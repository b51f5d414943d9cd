"""Every attack of tests/attacks, through the public API, as ordinary users, on real machines."""

import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest

from cfiddle_slurm import process
from tests.attacks.corpus import ATTACKS, SECONDS, Attack, Verdict, carry_out
from tests.machines.aftermath import (
    WORKERS,
    baseline,
    ids,
    jobs_started,
    left_of,
    newest_job,
    parse_measurements,
)
from tests.machines.harness import Machines

pytestmark = pytest.mark.timeout(2400)
ATTACKERS = ("attacker1", "attacker2")
NEIGHBOUR = "neighbour"
UIDS = 21001
"""The kernel counts an account's processes on all machines that it carries, also those of another
cluster: what these accounts exhaust must be nobody else's."""
NAMES = sorted((path.name for path in ATTACKS), key=lambda name: (name[:9] != "resources", name))
SETTLE_SECONDS = 20.0
"""An Epilog's time limit is 30 s; what takes longer than this is not cleaned up but forgotten."""


@dataclass
class Outcome:
    """How an attack ended, what was wrong afterwards, and what it was to a neighbour."""

    verdict: Verdict
    faults: list[str]
    beside: str = ""


class Neighbour:
    """Another student's experiment, which goes on all the time on the worker that is free."""

    def __init__(self, cluster: Machines) -> None:
        words = ("sh", "-c", "cd siege && exec python3 -W ignore -m tests.attacks.neighbour")
        self._process = process.start(
            cluster.command("run", NEIGHBOUR, *words),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cluster.environment,
        )  # fmt: skip
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.decode())

    def measured(self) -> list[dict[str, float]]:
        """What it has measured so far."""
        return parse_measurements("".join(self._lines))[0]

    def stop(self) -> str | None:
        """End it after its present run; its error if it had one."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._reader.join(10)
        return parse_measurements("".join(self._lines))[1]


@dataclass
class Siege:
    """All attacks, carried out one after the other for each attacker; results by name."""

    outcomes: "dict[str, Future[Outcome]]"
    neighbours_error: str | None = None
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when nobody asks for outcomes any more."""


@pytest.fixture(scope="module")
def siege(cluster: Machines) -> Iterator[Siege]:
    """The attacks, under way: those on resources alone beside the neighbour, then the others by two
    attackers at once."""
    for number, user in enumerate((*ATTACKERS, NEIGHBOUR)):
        cluster.check("user", "add", user, f"--uid={UIDS + number}")
    files = "tests/attacks/neighbour.py"
    cluster.check("copy", NEIGHBOUR, files, f"siege/{files}")
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
        for outcome in siege.outcomes.values():
            if not outcome.done():
                outcome.set_exception(error)


def beside_a_neighbour(
    cluster: Machines, siege: Siege, attacks: list[Attack], numbers: dict[str, str]
) -> None:
    """The attacks on resources, one after the other."""
    neighbour, user = Neighbour(cluster), ATTACKERS[0]
    wait_for_measurements(neighbour, 3)
    quiet_since = 0.0
    for attack in attacks:
        if attack.group == "resources":
            outcome = settle(cluster, siege, attack, user, numbers[user])
            if outcome is not None:
                outcome.beside = ratio(neighbour.measured(), outcome.verdict, quiet_since)
                quiet_since = outcome.verdict.ended_at
                siege.outcomes[attack.name].set_result(outcome)
    siege.neighbours_error = neighbour.stop()


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


def wait_for_measurements(neighbour: Neighbour, count: int) -> None:
    give_up = time.monotonic() + 120
    while len(neighbour.measured()) < count and time.monotonic() < give_up:
        time.sleep(0.1)


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


def ratio(measured: list[dict[str, float]], verdict: Verdict, quiet_since: float) -> str:
    """The neighbour's time during an attack, to its time between the attack before and this one."""
    during = [
        each["seconds"]
        for each in measured
        if each["ended"] > verdict.began and each["began"] < verdict.ended_at
    ]
    quiet = [
        each["seconds"]
        for each in measured
        if each["began"] > quiet_since and each["ended"] < verdict.began
    ]
    if not during or not quiet:
        return "neighbour: not measured"
    return f"neighbour x {statistics.median(during) / statistics.median(quiet):.2f} ({len(during)})"


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
        print(f"  {words[:60]:60} {outcome.beside}")
    assert outcome.faults == [], outcome.verdict.printed[-4000:]


def test_the_neighbour_had_no_error(siege: Siege) -> None:
    assert siege.neighbours_error is None

"""What a student sends to the daemons, and what another student's runs feel of it.

``CFIDDLE_FLOOD_SECONDS`` says for how long each flood goes on (default: 8).
"""

import os
import statistics
import time
from collections.abc import Iterator

import pytest

from tests.attacks.floods import WAYS
from tests.machines.harness import HERE, Machines
from tests.machines.neighbour import Neighbour

pytestmark = pytest.mark.timeout(1500)
SECONDS = float(os.environ.get("CFIDDLE_FLOOD_SECONDS", "8"))
STUDENT, OTHER = "floods1", "floods2"
MACHINES = ("head", "w1", "w2")
MOST = 4.0
"""Times that of the same load without a word sent: more than that is a door that does not hold."""
TINY = 1000
"""How often the loop of each run is gone through: what is measured is all that is around it."""
MUNGE = "/run/munge/munge.socket.2"
FLOODS = [
    ("length_words", "slurm"),
    ("idle", "slurm"),
    ("slow", "slurm"),
    ("frames", "slurm"),
    ("forwarded", "slurm"),
    ("commands", "slurm"),
    ("idle", MUNGE),
    ("credentials", MUNGE),
    ("ports", "sruns"),
]


@pytest.fixture(scope="module")
def runs(cluster: Machines) -> Iterator[Neighbour]:
    """The other student's runs, under way while the tests of this file go on."""
    for number, user in enumerate((STUDENT, OTHER)):
        cluster.check("user", "add", user, f"--uid={21031 + number}")
    file = "tests/attacks/floods.py"
    cluster.check("copy", STUDENT, str(HERE.parents[1] / file), f"floods/{file}")
    made = Neighbour(cluster, OTHER, TINY)
    made.wait_for_the_first()
    yield made
    assert made.stop() is None


@pytest.fixture(scope="module")
def quiet(cluster: Machines, runs: Neighbour) -> tuple[float, float]:
    """How long a run takes when nothing else happens, and when processors are as busy."""
    began = time.time()
    time.sleep(SECONDS)
    middle = time.time()
    flood(cluster, "spin", [])
    still, loaded = runs.within(began, middle), runs.within(middle, time.time())
    return statistics.median(still), statistics.median(loaded)


def flood(cluster: Machines, way: str, targets: list[str], *, allocated: bool = False) -> str:
    """Have the student do it; what it says of itself."""
    words = ["python3", "floods/tests/attacks/floods.py", way, f"{SECONDS:g}", *targets]
    if allocated:
        words = ["srun", "--quiet", "--job-name=cfiddle-00000000000f100d", *words]
    return cluster.check("run", STUDENT, *words, timeout=SECONDS + 120).strip()


def targets(cluster: Machines, what: str) -> list[str]:
    """Where a flood goes to."""
    if what == MUNGE:
        return [MUNGE]
    if what == "sruns":
        user = cluster.on_service("head", "user", "sh", "-c", "getent hosts $(hostname)")
        return [f"{user.split()[0]}:1"]
    places = {"controller": 6817, "accounting": 6819}
    found = []
    for name, port in places.items():
        said = cluster.on_service("head", "user", "getent", "hosts", name)
        found.append(f"{said.split()[0]}:{port}")
    nodes = cluster.on_service("head", "controller", "sinfo", "--noheader", "--Node", "--format=%o")
    return [*found, *(f"{address}:6818" for address in sorted(set(nodes.split())))]


def daemons(cluster: Machines) -> dict[str, list[str]]:
    """Every container of the cluster, with the time when its process was started; and the door's.

    A container ends with its daemon.
    """
    shape = "docker inspect --format '{{.Name}} {{.RestartCount}} {{.State.StartedAt}}'"
    label = "label=com.docker.stack.namespace=cfiddle"
    command = f"{shape} $(docker ps --quiet --filter={label}) | sort"
    found = {name: cluster.on(name, "sh", "-c", command).splitlines() for name in MACHINES}
    door = cluster.on_service("head", "user", "pgrep", "--full", "cfiddle_slurm.door slurm")
    return {**found, "door": door.split()}


@pytest.mark.parametrize(("way", "what"), FLOODS)
def test_another_student_feels_nothing_of_it(
    cluster: Machines,
    runs: Neighbour,
    quiet: tuple[float, float],
    capsys: pytest.CaptureFixture[str],
    way: str,
    what: str,
) -> None:
    assert way in WAYS
    before, places, began = daemons(cluster), targets(cluster, what), time.time()
    said = flood(cluster, way, places, allocated=what == "sruns")
    during = runs.within(began, time.time())
    still, loaded = quiet
    felt = statistics.median(during) if during else float("inf")
    with capsys.disabled():
        print(f"\n  {said[:90]}")
        print(
            f"    a run: {still:.2f} s, x {loaded / still:.2f} by load alone, x {felt / still:.2f}"
            f" by this; the slowest of {len(during)}: {max(during, default=felt):.2f} s"
        )
    assert runs.is_under_way, "a run failed"
    assert daemons(cluster) == before
    assert felt < MOST * max(loaded, still)

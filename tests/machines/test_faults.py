"""What becomes of a run when a part of the cluster fails, at each stage of the run's way.

The expected outcomes are those of the table in docs/reliability.md: what is promised there is what
is seen here. After each fault nothing is lost, nothing has run twice, nothing is left, and the
workers work.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from cfiddle_slurm import process
from tests.machines.aftermath import SANDBOXES, WORKERS
from tests.machines.faults import FAULTS
from tests.machines.harness import Machines
from tests.machines.scene import Fault, Scene
from tests.machines.stages import JOBS, STAGES, USER, Notebook
from tests.patience import wait_for

pytestmark = pytest.mark.timeout(600)
AGAIN = "right, tried once more"
RIGHT = "right"
_DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"
_NODE = {"starting": "w1", "running": "w1", "returning": "w2"}
_ORDER = ("returning", "starting", "running", "staged", "submitted", "queued")
_LEFT = """
docker ps --all --quiet {sandboxes}
ls /var/lib/docker/volumes/cfiddle_run/_data/jobs
pgrep --list-full --uid {uid}
true
"""
_PAIRS = [
    pytest.param(fault, stage, id=f"{fault.name}-{stage}".replace(" ", "_"))
    for fault in FAULTS
    for group in fault.groups
    for stage in group
]


@dataclass
class Seen:
    """How a run ended, and how many seconds after the fault."""

    outcome: str
    seconds: float


def documented() -> dict[tuple[str, str], set[str]]:
    """What docs/reliability.md promises, by fault and stage; nothing where it has a dash."""
    found = {}
    for line in _DOCS.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(STAGES) + 1 and cells[0] in {fault.name for fault in FAULTS}:
            for stage, cell in zip(STAGES, cells[1:], strict=True):
                words = {word.strip("` ") for word in cell.split(" or ")} - {"-"}
                found[cells[0], stage] = {AGAIN if word == "again" else word for word in words}
    return found


class Corpus:
    """The faults' work, each group of stages once, when the first test asks for it."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.seen: dict[tuple[str, str], Seen | BaseException] = {}
        machines.check("user", "add", USER, "--uid=21021")
        self._uid = machines.check("run", USER, "id", "-u").strip()
        self._notebook = Notebook(machines)

    def close(self) -> None:
        self._notebook.close()

    def see(self, fault: Fault, stage: str) -> Seen:
        """How a run ends that a fault meets at a stage."""
        group = next(group for group in fault.groups if stage in group)
        if (fault.name, stage) not in self.seen:
            try:
                self._work(fault, group)
            except BaseException as error:
                self.seen.update({(fault.name, each): error for each in group})
                raise
        found = self.seen[fault.name, stage]
        if isinstance(found, BaseException):
            raise AssertionError(f"the fault was not survived: {found}") from found
        return found

    def _work(self, fault: Fault, group: tuple[str, ...]) -> None:
        if fault.sbatch:
            self._notebook.close()
            self._notebook = Notebook(self.machines, fault.sbatch)
        scene = Scene(self.machines, self._notebook)
        try:
            began = time.time()
            self._begin(scene, fault, group)
            if not fault.sbatch:
                began = time.time()
            ends = self._ends(scene, fault)
        finally:
            fault.mend(scene)
        self._workers_are_back()
        if fault.outcome or fault.sbatch:
            self._notebook.close()
            self._notebook = Notebook(self.machines)
        for worker in WORKERS:
            self._notebook.ordinary(worker)
        self._nothing_is_left()
        self._runs_are_accounted(scene, fault, ends)
        for run, stage in zip(scene.runs, sorted(group, key=_ORDER.index), strict=True):
            end = ends.get(run.name)
            seconds = (end["time"] if end else time.time()) - began
            self.seen[fault.name, stage] = Seen(fault.outcome or outcome(end), seconds)

    def _begin(self, scene: Scene, fault: Fault, group: tuple[str, ...]) -> None:
        """Bring runs to their stages and let the fault happen; all of that in the right order."""
        name = f"{fault.name} {{}} {time.monotonic_ns()}"
        ordered = sorted(group, key=_ORDER.index)
        for stage in (each for each in ordered if each not in fault.early):
            node = "w1" if len(group) == 1 else _NODE.get(stage, "")
            held = "staging" if fault.staging and stage == "staged" else stage
            scene.runs.append(scene.notebook.begin(name.format(stage), held, node, fault.nap))
        fault.inject(scene)
        for stage in (each for each in ordered if each in fault.early):
            scene.runs.append(scene.notebook.begin(name.format(stage), "", "w1"))

    def _ends(self, scene: Scene, fault: Fault) -> dict[str, dict[str, Any]]:
        if not fault.outcome:
            for run in scene.runs:
                scene.notebook.release(run)
            fault.go_on(scene)
            return {run.name: scene.notebook.finish(run) for run in scene.runs}
        # Nobody lets a run go on whose notebook is gone, but a worker's program may be held.
        for run in scene.runs:
            if run.node:
                scene.notebook.release(run)
        wait_for(lambda: not scene.queue(), "the jobs end by themselves")
        return {}

    def _workers_are_back(self) -> None:
        scene = Scene(self.machines, self._notebook)
        wait_for(lambda: not scene.queue(), "no job is left in the queue")
        state = "sinfo --noheader --Node --format='%N %t' | sort -u"
        wait_for(
            lambda: self._slurm(state).split() == ["w1", "idle", "w2", "idle"],
            "the workers are back in service",
        )

    def _nothing_is_left(self) -> None:
        scene = Scene(self.machines, self._notebook)
        script = _LEFT.format(uid=self._uid, sandboxes=SANDBOXES)
        wait_for(
            lambda: not any(scene.shell(worker, script) for worker in WORKERS),
            "no sandbox, registration or process is left",
        )

    def _slurm(self, script: str) -> str:
        """What a script prints in the controller's container; nothing when it fails."""
        container = self.machines.container("head", "controller")
        command = ("docker", "exec", container, "sh", "-c", script)
        done = process.run(self.machines.arguments_on("head", *command), timeout=60)
        return done.stdout if done.status == 0 else ""

    def _runs_are_accounted(
        self, scene: Scene, fault: Fault, ends: dict[str, dict[str, Any]]
    ) -> None:
        """Each attempt was one job at most, and a run's directory is where it should be."""
        for run in scene.runs:
            end = ends.get(run.name)
            attempts = end["attempts"] if end else [run.run_id]
            wait_for(partial(self._fits, fault, attempts, end), f"accounting: {end}")
            there = {attempt: self._directory(attempt) for attempt in attempts}
            if end is None or end["error"] is None:
                assert there.pop(attempts[-1]) is None, "the directory of a run that is over"
            if fault.keeps:
                kept = [files for files in there.values() if files is not None]
                assert all("failed.txt" in files for files in kept), there

    def _fits(self, fault: Fault, attempts: list[str], end: dict[str, Any] | None) -> bool:
        query = "sacct -X -n -P --duplicates --starttime=now-1hours --format=JobName"
        jobs = Counter(self._slurm(query).split())
        counts = [jobs[f"cfiddle-{attempt}"] for attempt in attempts]
        assert max(counts, default=0) <= 1, f"run twice: {counts}"
        # Where nobody is left, or Slurm was out of reach, there may be none.
        return not fault.accounted or end is None or end["error"] is not None or all(counts)

    def _directory(self, run_id: str) -> list[str] | None:
        listed = self.machines.arguments_on("head", "ls", f"{JOBS}/{run_id}")
        done = process.run(listed, timeout=60)
        return done.stdout.split() if done.status == 0 else None


def outcome(end: dict[str, Any] | None) -> str:
    """How a run ended, in the words of the table."""
    assert end is not None
    if end["error"] is not None:
        return str(end["error"])
    assert end["right"], end
    return RIGHT if len(end["attempts"]) == 1 else AGAIN


@pytest.fixture(scope="module")
def corpus(cluster: Machines) -> Iterator[Corpus]:
    made = Corpus(cluster)
    yield made
    made.close()


def test_the_docs_have_the_faults_that_are_tried() -> None:
    promised = {pair for pair, outcomes in documented().items() if outcomes}
    assert promised == {(fault.name, stage) for fault in FAULTS for stage in fault.stages}


@pytest.mark.parametrize(("fault", "stage"), _PAIRS)
def test_a_fault_is_survived(corpus: Corpus, fault: Fault, stage: str) -> None:
    seen = corpus.see(fault, stage)
    assert seen.outcome in documented()[fault.name, stage]


def test_the_table(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        Console(width=132, color_system=None).print(table(corpus.seen))
    assert corpus.machines.cluster("status").status == 0


def table(seen: dict[tuple[str, str], Seen | BaseException]) -> Table:
    """Fault by stage: the outcome, and the seconds from the fault to the run's end."""
    drawn = Table("fault", *STAGES, title="What became of runs, seconds after the fault")
    for fault in FAULTS:
        cells = []
        for stage in STAGES:
            found = seen.get((fault.name, stage))
            short = re.sub("^right, tried once more$", "again", getattr(found, "outcome", "FAILED"))
            seconds = f" {found.seconds:.1f}" if isinstance(found, Seen) else ""
            cells.append("-" if found is None else f"{short}{seconds}")
        drawn.add_row(fault.name, *cells)
    return drawn

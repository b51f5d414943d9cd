"""Where a fault happens, and what each fault is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cfiddle_slurm import process
from tests.machines.harness import Machines
from tests.machines.stages import NAP, STAGES, Notebook, Staged

_HELD = ("staged", "submitted", "queued", "starting", "returning")


@dataclass
class Scene:
    """Where a fault happens: the cluster, and the runs that are on their way."""

    machines: Machines
    notebook: Notebook
    runs: list[Staged] = field(default_factory=list)

    def shell(self, name: str, script: str) -> str:
        """What a script prints on a machine."""
        return self.machines.on(name, "sh", "-c", script)

    def queue(self) -> str:
        """Slurm's jobs, one a line: id, state, node; nothing while Slurm does not answer."""
        squeue = ("squeue", "--noheader", "--format=%i %T %N")
        command = ("docker", "exec", self.machines.container("head", "controller"), *squeue)
        done = process.run(self.machines.arguments_on("head", *command), timeout=60)
        return done.stdout if done.status == 0 else "Slurm does not answer"


class Fault:
    """Something that goes wrong.

    Attributes:
        name: as in the table.
        groups: the stages at which it happens; those of one group happen at once, to as many runs.
        early: the stages at which it is there before the run is.
        staging: whether ``staged`` means that the run's directory is still to be written.
        sbatch: what takes the place of sbatch, if that is what is wrong.
        outcome: how all runs end, where nobody is left to see it.
        keeps: whether a failed run's directory can say that it is one.
        accounted: whether accounting hears of each job.
        nap: milliseconds that a run takes which it meets while it runs.
    """

    groups: Sequence[tuple[str, ...]] = (_HELD, ("running",))
    early: Sequence[str] = ()
    staging = False
    sbatch = ""
    outcome = ""
    keeps = True
    accounted = True
    nap = NAP

    def __init__(self, name: str) -> None:
        self.name = name

    def inject(self, scene: Scene) -> None:
        """Let it happen."""

    def go_on(self, scene: Scene) -> None:
        """What happens after the runs were let go on, and before they have ended."""

    def mend(self, scene: Scene) -> None:
        """Undo it when the runs have ended, where that is not somebody else's work."""

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages at which it can happen."""
        return tuple(stage for stage in STAGES if any(stage in group for group in self.groups))

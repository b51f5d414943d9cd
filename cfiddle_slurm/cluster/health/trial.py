"""Real experiments on every worker: does each one measure, and do all measure alike?"""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts import conversations
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node

TOLERANCE = 0.05
"""Workers whose time differs from the median by more are told of."""
_SECONDS = 180.0
_RIGHT = 654669057  # what the loop below leaves in its variable, as 32 bits hold it
_PROGRAM = """
import json, os, sys, tempfile, warnings
warnings.simplefilter("ignore")
import cfiddle, cfiddle_slurm
node = sys.argv[1]
options = ["--nodelist=" + node] if node else []
cfiddle_slurm.configure(scheduler="slurm", sbatch_options=options, show_output=False)
source = r'''
#include <cfiddle.hpp>
extern "C" int work(int n) {
    unsigned x = 1;
    start_measurement();
    for (int i = 0; i < n; i++) x = x * 1664525u + 1013904223u;
    end_measurement();
    return (int)(x & 0x7fffffff);
}
'''
with tempfile.TemporaryDirectory(dir=os.path.expanduser("~")) as folder:
    os.chdir(folder)
    try:
        exe = cfiddle.build(cfiddle.code(source), cfiddle.arg_map(OPTIMIZE="-O1"))
        results = cfiddle.run(exe, "work", cfiddle.arg_map(n=[20000000] * 5))
        report = cfiddle_slurm.last_report()
        answer = {
            "value": results[0].return_value,
            "seconds": min(float(result.results[0]["ET"]) for result in results),
            "node": report.node, "perf": report.perf_status, "container": report.container,
            "cpu": report.cpu_model, "error": None,
        }
    except cfiddle.CFiddleException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    os.chdir("/")
print(json.dumps(answer))
"""


@dataclass(frozen=True)
class Trial:
    """What one experiment on a worker gave.

    Attributes:
        worker: where it was to run.
        user: whose it was.
        value: what the function returned.
        seconds: its shortest time.
        perf: whether counters work there.
        error: why there is nothing of that, or None.
        deviation: of the time from the workers' median, as a share of it.
    """

    worker: str
    user: str
    value: int | None = None
    seconds: float | None = None
    perf: str | None = None
    error: str | None = None
    deviation: float = 0.0

    @property
    def right(self) -> bool:
        """Whether it ran and gave the right value."""
        return self.error is None and self.value == _RIGHT

    @property
    def alike(self) -> bool:
        """Whether its time is like the others'."""
        return abs(self.deviation) <= TOLERANCE


def on_workers(head: Machine, workers: Sequence[str], user: str) -> list[Trial]:
    """One experiment on each worker, all at once.

    Raises:
        AccountError, MachineError, NotHealthy, ProcessError: the user node cannot start them.
    """
    return with_deviations(_run(head, [(worker, user) for worker in workers]))


def of_users_at_once(head: Machine, users: Iterable[str]) -> list[Trial]:
    """One experiment of each user at the same time, wherever Slurm puts them."""
    return _run(head, [("", user) for user in users])


def _run(head: Machine, wanted: Sequence[tuple[str, str]]) -> list[Trial]:
    with conversations.pool() as pool:
        return list(pool.map(lambda one: _one(head, *one), wanted))


def _one(head: Machine, worker: str, user: str) -> Trial:
    command = user_node.exec_arguments(head, user, ["python3", "-c", _PROGRAM, worker])
    try:
        with conversations.held_with(head.address):
            done = process.run(command, timeout=_SECONDS)
    except process.CommandTimeout:
        return Trial(worker, user, error=f"it did not end within {_SECONDS:.0f} seconds")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        error = f"the program on the user node failed: {done.last_words}"
        return Trial(worker, user, error=error)
    if answer["error"] is not None:
        return Trial(worker, user, error=answer["error"])
    if worker and answer["node"] != worker:
        return Trial(worker, user, error=f"it ran on {answer['node']} instead")
    return Trial(answer["node"], user, answer["value"], answer["seconds"], answer["perf"])


def with_deviations(trials: Sequence[Trial]) -> list[Trial]:
    """The trials, each with its time's distance from the median of all."""
    times = [trial.seconds for trial in trials if trial.seconds is not None]
    if not times:
        return list(trials)
    median = statistics.median(times)
    return [
        trial if trial.seconds is None else replace(trial, deviation=trial.seconds / median - 1)
        for trial in trials
    ]

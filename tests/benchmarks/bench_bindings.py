"""How long Slurm takes to be asked by its commands and by pyslurm, side by side.

Run from the repository, with the cluster up: ``python -m tests.benchmarks.bench_bindings``. A
process on the user node submits jobs that do nothing, asks for their states and cancels them, by
turns in both ways. Where the user node has no pyslurm it says so, and measures the commands alone.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node

REPEATS = 15
SECONDS = 300.0
COMMANDS, PYSLURM = "commands", "pyslurm"
QUESTIONS = {
    "submit": "a job submitted",
    "states": "the states of all jobs",
    "cancel": "a job cancelled",
}
PROGRAM = """
import json, shutil, time
from pathlib import Path
from cfiddle_slurm.job_directory import new_run_id
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.settings import Settings
place = Path("~/.cfiddle-slurm/bindings").expanduser()
found = {binding: {} for binding in BINDINGS}
jobs = {binding: [] for binding in BINDINGS}
def timed(binding, what, call):
    began = time.monotonic()
    answer = call()
    found[binding].setdefault(what, []).append(time.monotonic() - began)
    return answer
def submit(scheduler, binding):
    folder = place / new_run_id()
    folder.mkdir(parents=True)
    settings = Settings(scheduler="slurm", binding=binding, time_limit=60)
    return timed(binding, "submit", lambda: scheduler.submit(folder.name, folder, settings))
schedulers = {binding: SlurmScheduler(binding) for binding in BINDINGS}
for turn in range(REPEATS + 1):
    for binding, scheduler in schedulers.items():
        jobs[binding].append(submit(scheduler, binding))
    for binding, scheduler in schedulers.items():
        timed(binding, "states", lambda: scheduler.states(jobs[binding]))
for turn in range(REPEATS + 1):
    for binding, scheduler in schedulers.items():
        timed(binding, "cancel", lambda: scheduler.cancel(jobs[binding].pop()))
shutil.rmtree(place, ignore_errors=True)  # a job that ends now may still write
print(json.dumps(found))
"""

Times = Mapping[str, Mapping[str, Sequence[float]]]


def why_not() -> str | None:
    """Why pyslurm cannot be measured, if it cannot."""
    command = ["python3", "-c", "import pyslurm; pyslurm.Jobs.load()"]
    done = process.run(user_node.exec_arguments(Machine(), "jovyan", command), timeout=SECONDS)
    if done.status == 0:
        return None
    return done.stderr.strip().rpartition("\n")[2] or f"exit status {done.status}"


def measure(bindings: Sequence[str]) -> Times:
    """Run the program on the user node; by binding and question, seconds."""
    program = PROGRAM.replace("REPEATS", str(REPEATS)).replace("BINDINGS", repr(list(bindings)))
    command = user_node.exec_arguments(
        Machine(), "jovyan", ["python3", "-W", "ignore", "-c", program]
    )
    found: Times = json.loads(process.check(command, timeout=SECONDS).splitlines()[-1])
    return found


def table(times: Times) -> str:
    """Medians in milliseconds, without the first of each, and their ratios."""
    lines = [f"{'milliseconds, medians':26}" + "".join(f"{binding:>12}" for binding in times)]
    for what, words in QUESTIONS.items():
        medians = [statistics.median(times[binding][what][1:]) for binding in times]
        cells = "".join(f"{median * 1e3:12.1f}" for median in medians)
        ratio = f"{medians[0] / medians[-1]:8.1f} times" if len(medians) > 1 else ""
        lines.append(f"{words:26}{cells}{ratio}")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    reason = why_not()
    if reason is not None:
        print(f"The user node has no usable pyslurm ({reason}): only the commands are measured.")
    print(table(measure([COMMANDS] if reason is not None else [COMMANDS, PYSLURM])))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where the time of one ``run()`` goes, stage by stage, beside plain CFiddle in the same process.

Run from the repository, with the cluster up: ``python -m tests.benchmarks.bench_waterfall``. It
prints a table and, with ``--image FILE``, draws it. All ways are measured in turn by one process on
the user node; the first run of each is not counted. The notebook's and the worker's clocks are one,
since both are on this machine.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node

REPEATS = 20
SECONDS = 600.0
PLAIN = "plain CFiddle"
WAYS = ("srun", "sbatch")
STAGES = {
    "submitted": "bundle written, Slurm asked",
    "client": "job started, client loaded",
    "hello": "client connected",
    "turn": "hello read, the node is free",
    "created": "container created",
    "started": "container started",
    "ready": "guest ready",
    "unpacked": "bundle in",
    "executed": "experiment ended",
    "first_result": "first result at sandboxd",
    "last_result": "last result at sandboxd",
    "status": "guest's status at sandboxd",
    "ended": "all output at sandboxd",
    "told": "status at the client",
    "report": "report being written",
    "noticed": "report noticed",
    "collected": "results checked",
    "value": "run() returned",
}
"""What a report calls its stages, and what is reached then."""
PROGRAM = """
import contextlib, json, time
import cfiddle, cfiddle_slurm
from cfiddle.Runner import SubprocessDelegate
cfiddle.set_config("RunnerDelegate_type", SubprocessDelegate)  # the user node's own is the cluster
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n; }'))
plain, found = [], {"srun": [], "sbatch": []}
def timed(number):
    began = time.monotonic()
    assert cfiddle.run(exe, "f", cfiddle.arg_map(n=number))[0].return_value == number
    return began, time.monotonic()
for number in range(REPEATS + 1):
    began, ended = timed(number)
    plain.append(ended - began)
    for way, runs in found.items():
        with cfiddle_slurm.configured(scheduler="slurm", submit=way):
            began, ended = timed(number)
        stages = {**cfiddle_slurm.last_report().stages, "value": ended}
        runs.append({stage: moment - began for stage, moment in stages.items()})
print(json.dumps({"plain": plain[1:], **{way: runs[1:] for way, runs in found.items()}}))
"""
Waterfall = dict[str, tuple[float, float]]
"""By stage: when it was reached and how long it took, medians in seconds."""


def waterfall(runs: Sequence[Mapping[str, float]]) -> Waterfall:
    """The medians of runs, each of them moments since ``run()`` was called."""
    found: Waterfall = {}
    before = None
    for stage in STAGES:
        reached = statistics.median(run[stage] for run in runs)
        took = statistics.median(run[stage] - (run[before] if before else 0.0) for run in runs)
        found[stage] = reached, took
        before = stage
    return found


def way_back(runs: Sequence[Mapping[str, float]]) -> float:
    """Seconds from the last result to the value in the notebook, the median."""
    return statistics.median(run["value"] - run["last_result"] for run in runs)


def measure() -> dict[str, Any]:
    """Run the program on the user node."""
    command = user_node.exec_arguments(
        Machine(),
        "jovyan",
        ["python3", "-W", "ignore", "-c", PROGRAM.replace("REPEATS", str(REPEATS))],
    )
    found: dict[str, Any] = json.loads(process.check(command, timeout=SECONDS).splitlines()[-1])
    return found


def table(plain: float, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """All of it, for a terminal, in milliseconds."""
    falls = {way: waterfall(runs[way]) for way in WAYS}
    lines = [f"{'milliseconds, medians':32}" + "".join(f"{way:>16}" for way in WAYS)]
    lines += [f"{'':32}" + "     at    took" * len(WAYS)]
    for stage, words in STAGES.items():
        cells = (falls[way][stage] for way in WAYS)
        lines.append(
            f"{words:32}" + "".join(f"{at * 1e3:8.0f}{took * 1e3:8.1f}" for at, took in cells)
        )
    totals = {way: falls[way]["value"][0] for way in WAYS}
    lines.append(f"{f'share of {PLAIN} ({plain * 1e3:.0f} ms)':32}"
                 + "".join(f"{totals[way] / plain:16.2f}" for way in WAYS))  # fmt: skip
    lines.append(f"{'last result to value':32}"
                 + "".join(f"{way_back(runs[way]) * 1e3:16.0f}" for way in WAYS))  # fmt: skip
    return "\n".join(lines)


def draw(path: Path, plain: float, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """The same as an image."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(WAYS), sharey=True, figsize=(9.5, 4.4), dpi=80)
    for axis, way in zip(axes, WAYS, strict=True):
        fall = waterfall(runs[way])
        for row, (at, took) in enumerate(fall.values()):
            axis.barh(row, took * 1e3, left=(at - took) * 1e3, color="#30638e")
            axis.text(at * 1e3 + 8, row, f"{took * 1e3:.0f}", va="center", fontsize=7)
        axis.axvline(plain * 1e3, color="#d1495b", linestyle="--", label=PLAIN)
        axis.set_title(f"{way}: {fall['value'][0] * 1e3:.0f} ms", fontsize=10)
        axis.set_xlabel("milliseconds since run() was called", fontsize=8)
        axis.set_yticks(range(len(STAGES)), STAGES.values(), fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
    axes[0].invert_yaxis()
    axes[0].legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> int:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", type=Path, help="where to draw the table, as a PNG")
    parser.add_argument("--data", type=Path, help="where to write the measured moments, as JSON")
    options = parser.parse_args()
    found = measure()
    plain = statistics.median(found.pop("plain"))
    print(table(plain, found))
    if options.data is not None:
        options.data.write_text(json.dumps({"plain": plain, **found}))
    if options.image is not None:
        draw(options.image, plain, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

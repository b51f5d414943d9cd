"""How long ``run()`` takes with one invocation: on the cluster, beside CFiddle's own way.

Run from the repository, with the cluster up: ``python -m tests.benchmarks.bench_latency``. All
ways are measured in turn by one process on the user node; the first of each is not counted.
"""

import json
import statistics
import sys

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node

REPEATS = 9
WAYS = ("plain CFiddle", "sbatch", "srun")
SECONDS = 600.0
PROGRAM = """
import contextlib, json, time
import cfiddle, cfiddle_slurm
from cfiddle.Runner import SubprocessDelegate
cfiddle.set_config("RunnerDelegate_type", SubprocessDelegate)  # the user node's own is the cluster
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n; }'))
WAYS = {"plain CFiddle": None, "sbatch": "sbatch", "srun": "srun"}
found = {way: [] for way in WAYS}
for number in range(REPEATS + 1):
    for way, submit in WAYS.items():
        if submit is None:
            block = contextlib.nullcontext()
        else:
            block = cfiddle_slurm.configured(scheduler="slurm", submit=submit)
        with block:
            began = time.monotonic()
            assert cfiddle.run(exe, "f", cfiddle.arg_map(n=number))[0].return_value == number
            found[way].append(time.monotonic() - began)
print(json.dumps({way: times[1:] for way, times in found.items()}))
"""


def main() -> int:
    """Measure and print medians, and their ratios to plain CFiddle's."""
    program = PROGRAM.replace("REPEATS", str(REPEATS))
    command = user_node.exec_arguments(
        Machine(), "jovyan", ["python3", "-W", "ignore", "-c", program]
    )
    times = json.loads(process.check(command, timeout=SECONDS).splitlines()[-1])
    reference = statistics.median(times[WAYS[0]])
    print(f"{'seconds':14} {'median':>8} {'least':>8} {'most':>8} {'ratio':>8}")
    for way in WAYS:
        median = statistics.median(times[way])
        print(
            f"{way:14} {median:8.3f} {min(times[way]):8.3f} {max(times[way]):8.3f}"
            f" {median / reference:8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How many runs a minute one worker gives eight threads, beside a bare ``docker run``.

Run from the repository, with the cluster up: ``python -m tests.benchmarks.bench_saturation``. The
reference is the sandbox image started by hand, with a Python that ends at once, one after another:
60 seconds divided by its median is what a worker could do at most, if nothing else had to be done.
It is measured before and after each way, in the same call.
"""

import itertools
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node

THREADS = 8
WARM_SECONDS = 4.0
SECONDS = 30.0
REFERENCES = 10
TIMEOUT = 300.0
BARE = ("docker", "run", "--rm", "--entrypoint", "python3", "cfiddle-sandbox:latest", "-c", "pass")
PROGRAM = """
import json, threading, time
import cfiddle, cfiddle_slurm
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n; }'))
cfiddle_slurm.configure(scheduler="slurm", submit="WAY")
ended = []
stop = time.monotonic() + WARM + SECONDS
def work():
    while time.monotonic() < stop:
        assert cfiddle.run(exe, "f", cfiddle.arg_map(n=7))[0].return_value == 7
        ended.append({**cfiddle_slurm.last_report().stages, "value": time.monotonic()})
threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([run for run in ended if stop - SECONDS <= run["value"] < stop]))
"""


def bare_seconds() -> list[float]:
    """What the reference takes, several times."""
    times = []
    for _ in range(REFERENCES):
        began = time.monotonic()
        process.check(BARE, timeout=TIMEOUT)
        times.append(time.monotonic() - began)
    return times


def saturate(way: str) -> list[dict[str, float]]:
    """The moments of the runs that came home in SECONDS, submitted with ``srun`` or ``sbatch``."""
    program = PROGRAM
    for name, value in (("WAY", way), ("WARM", WARM_SECONDS), ("SECONDS", SECONDS),
                        ("THREADS", THREADS)):  # fmt: skip
        program = program.replace(name, str(value))
    command = user_node.exec_arguments(
        Machine(), "jovyan", ["python3", "-W", "ignore", "-c", program]
    )
    found: list[dict[str, float]] = json.loads(
        process.check(command, timeout=TIMEOUT).splitlines()[-1]
    )
    return sorted(found, key=lambda run: run["turn"])


def cycle(runs: Sequence[Mapping[str, float]]) -> str:
    """Where the time between one run and the next goes, medians."""
    pairs = list(itertools.pairwise(runs))
    parts = {
        "the job's end and the next one's start": [b["client"] - a["told"] for a, b in pairs],
        "client to sandboxd": [run["asked"] - run["client"] for run in runs],
        "waiting for the last removal": [run["turn"] - run["asked"] for run in runs],
        "container created and started": [run["started"] - run["turn"] for run in runs],
        "guest and experiment": [run["told"] - run["started"] for run in runs],
    }
    return ", ".join(f"{name} {statistics.median(of) * 1e3:.0f}" for name, of in parts.items())


def main() -> int:
    """Measure and print."""
    times, found = bare_seconds(), {}
    for way in ("srun", "sbatch"):
        found[way] = saturate(way)
        times += bare_seconds()
    bare = statistics.median(times)
    print(f"bare docker run: {bare:.3f} s ({min(times):.3f} to {max(times):.3f}), so"
          f" {60 / bare:.0f} a minute")  # fmt: skip
    for way, runs in found.items():
        count = 60 * len(runs) / SECONDS
        print(f"{way}: {count:.0f} runs a minute, {count * bare / 60:.2f} of it")
        print(f"  milliseconds of one cycle: {cycle(runs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

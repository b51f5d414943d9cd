"""Executed on the user node by another student: ``python3 -m tests.attacks.neighbour [COUNT]``.

Measures the same loop again and again, each time in a run of its own, until its standard input
ends. Prints a line of JSON for each: when it began and ended, in seconds since 1970, and how many
seconds the loop took by its own clock; then the error of the first run that failed, or null.
"""

import json
import os
import select
import sys
import tempfile
import time
from pathlib import Path

import cfiddle

import cfiddle_slurm

SOURCE = """
#include <time.h>
extern "C" long measured(long n) {
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    volatile long sum = 0;
    for (long i = 0; i < n; i++)
        sum = sum + i;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return (ended.tv_sec - began.tv_sec) * 1000000000l + ended.tv_nsec - began.tv_nsec;
}
"""
COUNT = 100_000_000
"""About a quarter of a second; how often the loop is gone through, unless it is said."""


def main(count: int = COUNT) -> None:
    """Measure until nobody listens any more."""
    cfiddle_slurm.configure(scheduler="slurm", submit="srun", show_output=False)
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        os.chdir(folder)
        loop = cfiddle.build(cfiddle.code(SOURCE))
        error = None
        while error is None and not select.select([sys.stdin], [], [], 0)[0]:
            error = measure(loop, count)
        print(json.dumps({"error": error}), flush=True)
        os.chdir("/")


def measure(loop: object, count: int) -> str | None:
    """One run; the error if there was one."""
    began = time.time()
    try:
        value = cfiddle.run(loop, "measured", cfiddle.arg_map(n=count))[0].return_value
    except cfiddle.CFiddleException as error:
        return f"{type(error).__name__}: {error}"
    line = {"began": began, "ended": time.time(), "seconds": value / 1e9}
    print(json.dumps(line), flush=True)
    return None


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

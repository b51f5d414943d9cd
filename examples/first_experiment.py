"""A first experiment: what does it cost to touch a page of memory for the first time?

Run it with ``python first_experiment.py``. On a cluster's user node a worker measures it, alone and
in its own container; on a machine without a cluster, a process on this machine does.
"""

import cfiddle
from cfiddle import arg_map, build, code, run
from cfiddle.perfcount import UnknownPerformanceCounter

import cfiddle_slurm

SOURCE = r"""
#include <cfiddle.hpp>
#include <stdlib.h>

extern "C" int touch(int n) {
    const long page = 4096;
    volatile char *memory = (volatile char *)malloc(n * page);
    start_measurement();
    for (long i = 0; i < n; i++)
        memory[i * page] = 1;
    end_measurement();
    free((void *)memory);
    return n;
}
"""


def measure(touch: cfiddle.Executable) -> cfiddle.InvocationResultsList:
    """The time and, where this machine allows to count them, the page faults for n pages."""
    sizes = arg_map(n=[1000, 2000, 4000, 8000])
    try:
        return run(touch, "touch", sizes, perf_counters=["PERF_COUNT_SW_PAGE_FAULTS"])
    except UnknownPerformanceCounter as refusal:
        print(f"Page faults cannot be counted here: {refusal}")
        return run(touch, "touch", sizes)


def main() -> None:
    cfiddle_slurm.configure()
    touch = build(code(SOURCE), build_parameters=arg_map(OPTIMIZE="-O2"))
    print(measure(touch).as_df().to_string())
    print(cfiddle_slurm.last_report())


if __name__ == "__main__":
    main()

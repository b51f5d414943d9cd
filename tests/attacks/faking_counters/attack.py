"""Numbers made up, in the place where CFiddle keeps the measured ones."""

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SECONDS = 0.5
SOURCE = r"""
#include <cfiddle.hpp>
#include <DataSet.hpp>
#include <unistd.h>

extern "C" long attack(long n) {
    start_measurement();
    usleep(500000);
    end_measurement();
    get_dataset()->set("ET", 0.000001);
    get_dataset()->set("PERF_COUNT_HW_CPU_CYCLES", 1);
    return n;
}
"""


def attack(student: Student) -> list[str]:
    """What was forged of that which is measured from outside. CFiddle's own numbers may be."""
    built = cfiddle.build(cfiddle.code(SOURCE))
    results = cfiddle.run(built, "attack", cfiddle.arg_map(n=1))[0].results
    report = cfiddle_slurm.last_report()
    assert report is not None
    print(f"It took {SECONDS} s; CFiddle says {results}, from outside {report.wall_seconds}")
    honest = report.wall_seconds is not None and report.wall_seconds >= SECONDS
    return [] if honest else ["wall_seconds"]

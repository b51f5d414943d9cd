"""Clocks that stand still, in the experiment's library."""

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SECONDS = 0.5
SOURCE = r"""
#include <cfiddle.hpp>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern "C" int clock_gettime(clockid_t, struct timespec *time) noexcept {
    time->tv_sec = time->tv_nsec = 0;
    return 0;
}

extern "C" int gettimeofday(struct timeval *time, void *) noexcept {
    time->tv_sec = time->tv_usec = 0;
    return 0;
}

extern "C" long attack(long n) {
    start_measurement();
    usleep(500000);
    end_measurement();
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

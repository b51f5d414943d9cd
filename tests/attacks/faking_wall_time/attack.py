"""A second that is to vanish."""

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SECONDS = 1.0
SOURCE = r"""
#include <cstdio>
#include <sched.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

extern "C" long attack(long n) {
    struct timespec past = {1, 0};
    struct timeval old = {1, 0};
    struct timex slow = {};
    slow.modes = ADJ_TICK;
    slow.tick = 9000;
    printf("the clock: %d\n", clock_settime(CLOCK_REALTIME, &past));
    printf("the other clock: %d\n", clock_settime(CLOCK_MONOTONIC, &past));
    printf("settimeofday %d, adjtimex %d\n", settimeofday(&old, nullptr), adjtimex(&slow));
    printf("unshare %d\n", unshare(0x80 /* CLONE_NEWTIME */));
    sleep(1);
    return n;
}
"""


def attack(student: Student) -> list[str]:
    """The report's times that are shorter than it took."""
    built = cfiddle.build(cfiddle.code(SOURCE))
    cfiddle.run(built, "attack", cfiddle.arg_map(n=1))
    report = cfiddle_slurm.last_report()
    assert report is not None
    times = {
        "run_seconds": report.run_seconds,
        "wall_seconds": report.wall_seconds,
        "total_seconds": report.total_seconds,
    }
    print(f"It took {SECONDS} s; the report says {times}")
    return [name for name, value in times.items() if value is None or value < SECONDS]

"""CPU time that the guest cannot see."""

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SECONDS = 1.5
SOURCE = r"""
#include <csignal>
#include <ctime>
#include <sys/wait.h>
#include <unistd.h>

static void burn() {
    for (volatile long i = 0; clock() < 3 * CLOCKS_PER_SEC / 4; i = i + 1) {
    }
    _exit(0);
}

extern "C" long attack(long n) {
    // Children that are never waited for: the time of the first counts for nobody once the kernel
    // has reaped it, the second is a daemon.
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        burn();
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            burn();
        _exit(0);
    }
    while (wait(nullptr) > 0) {
    }
    sleep(2);
    return n;
}
"""


def attack(student: Student) -> list[str]:
    """The report's numbers that were forged, of those that are measured from outside."""
    built = cfiddle.build(cfiddle.code(SOURCE))
    cfiddle.run(built, "attack", cfiddle.arg_map(n=1))
    report = cfiddle_slurm.last_report()
    assert report is not None
    outside = report.container_cpu_seconds
    print(f"{SECONDS} s were burnt; the guest says {report.cpu_seconds}, outside {outside}")
    honest = outside is not None and outside >= SECONDS
    return [] if honest else ["container_cpu_seconds"]

"""Memory that the guest cannot see."""

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

BYTES = 300 << 20
SOURCE = r"""
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

extern "C" long attack(long n) {
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
        const size_t size = 300L << 20;
        memset(malloc(size), 1, size);
        _exit(0);
    }
    while (wait(nullptr) > 0) {
    }
    return n;
}
"""


def attack(student: Student) -> list[str]:
    """The peak, if it is below what was used."""
    built = cfiddle.build(cfiddle.code(SOURCE))
    cfiddle.run(built, "attack", cfiddle.arg_map(n=1))
    report = cfiddle_slurm.last_report()
    assert report is not None
    print(f"{BYTES} bytes were used; the report says {report.memory_peak_bytes}")
    honest = report.memory_peak_bytes is not None and report.memory_peak_bytes >= BYTES
    return [] if honest else ["memory_peak_bytes"]

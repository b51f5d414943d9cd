#include <csignal>
#include <sys/resource.h>

extern "C" long attack(long n) {
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    struct rlimit cpu;
    getrlimit(RLIMIT_CPU, &cpu);
    cpu.rlim_cur = cpu.rlim_max;
    setrlimit(RLIMIT_CPU, &cpu);
    for (volatile long i = 0;; i = i + 1) {
    }
    return n;
}

#include <csignal>
#include <unistd.h>

extern "C" long attack(long n) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    setsid();
    for (;;)
        pause();
    return n;
}

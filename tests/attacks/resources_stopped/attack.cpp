#include <csignal>
#include <sys/ptrace.h>
#include <unistd.h>

extern "C" long attack(long n) {
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            if (i % 2)
                ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            for (;;)
                raise(SIGSTOP);
        }
    for (;;)
        raise(SIGSTOP);
    return n;
}

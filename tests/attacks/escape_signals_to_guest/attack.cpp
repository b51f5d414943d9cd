#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

const int LAST = 64;
const pid_t GUEST = 1;

long queued(int number) {
    siginfo_t information;
    memset(&information, 0, sizeof information);
    information.si_signo = number;
    information.si_code = SI_QUEUE;
    information.si_pid = getpid();
    return syscall(SYS_rt_sigqueueinfo, GUEST, number, &information);
}

} // namespace

extern "C" long attack(long n) {
    // The guest takes no signal from inside that it does not wait for: a call that succeeds has
    // done nothing, and the run must go on and end well.
    for (int number = 1; number <= LAST; number++) {
        const long guest = syscall(SYS_pidfd_open, GUEST, 0);
        kill(GUEST, number);
        syscall(SYS_tkill, GUEST, number);
        syscall(SYS_tgkill, GUEST, GUEST, number);
        syscall(SYS_pidfd_send_signal, guest, number, nullptr, 0);
        queued(number);
        close((int)guest);
    }
    // From a process that is not the harness; a signal to all spares process 1 and the sender.
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        kill(-1, SIGCONT);
        kill(-1, SIGWINCH);
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    usleep(200000);
    printf("still here\n");
    return reached;
}

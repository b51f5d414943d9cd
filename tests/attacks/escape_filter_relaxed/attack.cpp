#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

// keyctl is one of the calls that the filter refuses, and the kernel allows everybody.
long refused_before() {
    return syscall(SYS_keyctl, 0 /* get a keyring's number */, -3, 0, 0, 0);
}

template <typename Way> void then_call(const char *name, Way way) {
    attempt(name, [=] {
        const long answer = way();
        if (answer < 0)
            fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return refused_before();
    });
}

long add_filter(long how) {
    sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    sock_fprog program = {1, allow};
    if (how < 0)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, how, &program);
}

} // namespace

extern "C" long attack(long n) {
    then_call("as it is", [] { return 0L; });
    then_call("no filter",
              [] { return (long)prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0, 0, 0); });
    then_call("one that allows all, by prctl", [] { return add_filter(-1); });
    then_call("one that allows all", [] { return add_filter(0); });
    then_call("one for all threads", [] { return add_filter(SECCOMP_FILTER_FLAG_TSYNC); });
    then_call("one with a listener", [] { return add_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER); });
    then_call("suspended by a tracer", [] {
        return syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), nullptr,
                       0x200000 /* suspend seccomp */);
    });
    then_call("user dispatch", [] {
        static char selector = 0;
        return (long)prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector);
    });
    return reached;
}

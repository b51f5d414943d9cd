#include <csignal>
#include <fcntl.h>
#include <linux/sched.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

struct Kind {
    const char *name;
    unsigned long flag;
};

const Kind KINDS[] = {
    {"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},
    {"pid", CLONE_NEWPID},       {"net", CLONE_NEWNET},
    {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},
    {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80 /* CLONE_NEWTIME */},
};

long born(long child) {
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid((pid_t)child, nullptr, 0);
    return child;
}

long cloned(unsigned long flags) {
    return born(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

long cloned3(unsigned long flags) {
    clone_args arguments = {};
    arguments.flags = flags;
    arguments.exit_signal = SIGCHLD;
    return born(syscall(SYS_clone3, &arguments, sizeof arguments));
}

long entered(const std::string &place) {
    const int door = open(place.c_str(), O_RDONLY | O_CLOEXEC);
    return door < 0 ? -1 : syscall(SYS_setns, door, 0);
}

void attempt_kind(const Kind &kind) {
    const std::string name = kind.name;
    const unsigned long flag = kind.flag;
    const unsigned long both = flag | CLONE_NEWUSER;
    attempt(("unshare " + name).c_str(), [=] { return syscall(SYS_unshare, flag); });
    attempt(("unshare user and " + name).c_str(), [=] { return syscall(SYS_unshare, both); });
    if (flag != 0x80) { // which clone(2) takes for a part of the signal's number
        attempt(("clone " + name).c_str(), [=] { return cloned(flag); });
        attempt(("clone user and " + name).c_str(), [=] { return cloned(both); });
    }
    attempt(("clone3 " + name).c_str(), [=] { return cloned3(flag); });
    attempt(("clone3 user and " + name).c_str(), [=] { return cloned3(both); });
    attempt(("enter own " + name).c_str(), [=] { return entered("/proc/self/ns/" + name); });
    attempt(("enter guest's " + name).c_str(), [=] { return entered("/proc/1/ns/" + name); });
}

} // namespace

extern "C" long attack(long n) {
    for (const Kind &kind : KINDS)
        attempt_kind(kind);
    attempt("enter all of the guest's", [] {
        const long guest = syscall(SYS_pidfd_open, 1, 0);
        return guest < 0 ? -1
                         : syscall(SYS_setns, guest, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
    });
    return reached;
}

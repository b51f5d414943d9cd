#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <linux/capability.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

const int LAST = 40; // CAP_CHECKPOINT_RESTORE
const int PERFMON = 38;

// What it has in the end counts, whatever a call answered: 0 when it has not become more.
long more() {
    char line[128];
    FILE *status = fopen("/proc/self/status", "r");
    long found = 0;
    while (fgets(line, sizeof line, status) != nullptr) {
        const char *value = strchr(line, '\t');
        if (value != nullptr && strncmp(line, "Cap", 3) == 0)
            found |= strtoull(value, nullptr, 16) & ~(1ull << PERFMON) ? 1 : 0;
        if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0)
            found |= strcmp(strchr(line, '\t'), "\t7000\t7000\t7000\t7000\n") ? 2 : 0;
        if (strncmp(line, "Groups:", 7) == 0)
            found |= line[8] >= '0' && line[8] <= '9' ? 4 : 0;
        if (strncmp(line, "NoNewPrivs:", 11) == 0)
            found |= strchr(line, '1') ? 0 : 8;
    }
    fclose(status);
    if (found == 0)
        errno = EPERM;
    return found ? found : -1;
}

template <typename Way> void ask(const std::string &name, Way way) {
    attempt(name.c_str(), [=] {
        const long answer = way();
        const int error = answer < 0 ? errno : 0;
        const long gained = more();
        if (gained < 0 && error)
            errno = EPERM;
        return gained;
    });
}

long set_capabilities(unsigned long effective, unsigned long inheritable) {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    for (int half = 0; half < 2; half++) {
        data[half].effective = data[half].permitted = (unsigned)(effective >> 32 * half);
        data[half].inheritable = (unsigned)(inheritable >> 32 * half);
    }
    return syscall(SYS_capset, &header, data);
}

void ask_capabilities() {
    for (int number = 0; number <= LAST; number++) {
        if (number == PERFMON)
            continue;
        const std::string name = "capability " + std::to_string(number);
        const unsigned long both = 1ul << number | 1ul << PERFMON;
        ask(name, [=] { return set_capabilities(both, both); });
        ask(name + ", inheritable", [=] { return set_capabilities(1ul << PERFMON, both); });
        ask(name + ", ambient",
            [=] { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0); });
    }
}

} // namespace

extern "C" long attack(long n) {
    ask("as it is", [] { return 0L; });
    ask_capabilities();
    ask("setuid", [] { return syscall(SYS_setuid, 0); });
    ask("setreuid", [] { return syscall(SYS_setreuid, -1, 0); });
    ask("setresuid", [] { return syscall(SYS_setresuid, 0, 0, 0); });
    ask("setfsuid", [] { return syscall(SYS_setfsuid, 0); });
    ask("setgid", [] { return syscall(SYS_setgid, 0); });
    ask("setregid", [] { return syscall(SYS_setregid, -1, 0); });
    ask("setresgid", [] { return syscall(SYS_setresgid, 0, 0, 0); });
    ask("setfsgid", [] { return syscall(SYS_setfsgid, 0); });
    ask("setgroups", [] {
        const gid_t groups[] = {0, 6 /* disk */, 42 /* shadow */};
        return syscall(SYS_setgroups, 3, groups);
    });
    ask("securebits", [] { return prctl(PR_SET_SECUREBITS, 0x2f, 0, 0, 0); });
    ask("keepcaps and setuid", [] {
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
        return syscall(SYS_setresuid, 0, 0, 0);
    });
    ask("new privileges", [] { return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0); });
    ask("a larger bounding set", [] { return prctl(PR_CAPBSET_DROP, PERFMON, 0, 0, 0); });
    return reached;
}

#include <cstring>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

struct Limit {
    const char *name;
    int number;
};

const Limit LIMITS[] = {
    {"CPU", RLIMIT_CPU},     {"FSIZE", RLIMIT_FSIZE}, {"DATA", RLIMIT_DATA},
    {"STACK", RLIMIT_STACK}, {"CORE", RLIMIT_CORE},   {"NOFILE", RLIMIT_NOFILE},
    {"AS", RLIMIT_AS},       {"NPROC", RLIMIT_NPROC}, {"MEMLOCK", RLIMIT_MEMLOCK}};

} // namespace

extern "C" long attack(long n) {
    for (const Limit &limit : LIMITS)
        attempt((std::string("the guest's limit ") + limit.name).c_str(), [&] {
            // Its present limits once more: that is refused where less would be refused.
            rlimit old = {};
            if (syscall(SYS_prlimit64, 1, limit.number, nullptr, &old) < 0)
                return -1L;
            return syscall(SYS_prlimit64, 1, limit.number, &old, nullptr);
        });
    return reached;
}

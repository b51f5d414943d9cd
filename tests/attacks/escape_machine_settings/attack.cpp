#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

void attempt_clock() {
    attempt("settimeofday", [] {
        timeval now;
        gettimeofday(&now, nullptr);
        return syscall(SYS_settimeofday, &now, nullptr);
    });
    attempt("settimeofday, the zone", [] {
        struct timezone zone = {};
        return syscall(SYS_settimeofday, nullptr, &zone);
    });
    attempt("clock_settime", [] {
        timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return syscall(SYS_clock_settime, CLOCK_REALTIME, &now);
    });
    attempt("adjtimex", [] {
        timex change = {};
        change.modes = ADJ_TICK;
        change.tick = 10000;
        return syscall(SYS_adjtimex, &change);
    });
    attempt("clock_adjtime", [] {
        timex change = {};
        change.modes = ADJ_TICK;
        change.tick = 10000;
        return syscall(SYS_clock_adjtime, CLOCK_REALTIME, &change);
    });
}

void attempt_log() {
    const int actions[] = {2 /* read */, 3 /* read all */, 5 /* clear */, 8 /* console level */,
                           10 /* size */};
    for (int action : actions)
        attempt("syslog", [=] {
            static char text[4096];
            return syscall(SYS_syslog, action, text, action == 8 ? 4 : (int)sizeof text);
        });
}

} // namespace

extern "C" long attack(long n) {
    attempt_clock();
    attempt_log();
    attempt("sethostname", [] { return syscall(SYS_sethostname, "sandbox", 7); });
    attempt("setdomainname", [] { return syscall(SYS_setdomainname, "sandbox", 7); });
    attempt("acct", [] {
        close(open("/work/accounting", O_CREAT | O_WRONLY, 0600));
        return syscall(SYS_acct, "/work/accounting");
    });
    attempt("swapon", [] { return syscall(SYS_swapon, "/work/accounting", 0); });
    attempt("swapoff", [] { return syscall(SYS_swapoff, "/work/accounting"); });
    attempt("quotactl",
            [] { return syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), nullptr, 0, nullptr); });
    attempt("vhangup", [] { return syscall(SYS_vhangup); });
#ifdef SYS_lookup_dcookie
    attempt("lookup_dcookie", [] {
        static char name[PATH_MAX];
        return syscall(SYS_lookup_dcookie, 1ul, name, sizeof name);
    });
#endif
#ifdef SYS_nfsservctl
    attempt("nfsservctl", [] { return syscall(SYS_nfsservctl, 0, nullptr, nullptr); });
#endif
#ifdef SYS__sysctl
    attempt("_sysctl", [] { return syscall(SYS__sysctl, nullptr); });
#endif
#ifdef SYS_uselib
    attempt("uselib", [] { return syscall(SYS_uselib, "/work/accounting"); });
#endif
    return reached;
}

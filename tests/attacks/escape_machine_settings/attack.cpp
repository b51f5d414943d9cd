#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

long reached;

// Each way has a process of its own: what it changes is not the next one's beginning, and a call
// that kills its caller is refused, too. With another error than these three the kernel has gone
// on to look at the arguments, so that better ones might do.
template <typename Way> void attempt(const char *name, Way way) {
    const pid_t child = fork();
    if (child == 0) {
        errno = 0;
        _exit(way() < 0 ? errno : 0);
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
        printf("%s: killed by signal %d\n", name, WTERMSIG(status));
        return;
    }
    const int error = child > 0 ? WEXITSTATUS(status) : errno;
    const bool refused = error == EPERM || error == EACCES || error == ENOSYS;
    printf("%s: %s%s\n", name, refused ? "" : "REACHED, ", error ? strerror(error) : "done");
    reached += !refused;
}

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

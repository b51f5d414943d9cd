#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
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

const int SESSION = -3, USER = -4, USER_SESSION = -5, PROCESS = -2;

long keyctl_(long command, long a, long b, long c) {
    return syscall(SYS_keyctl, command, a, b, c, 0);
}

} // namespace

extern "C" long attack(long n) {
    for (int ring : {SESSION, USER, USER_SESSION, PROCESS}) {
        attempt(("add_key to ring " + std::to_string(ring)).c_str(),
                [=] { return syscall(SYS_add_key, "user", "cfiddle-attack", "x", 1, ring); });
        attempt(("request_key for ring " + std::to_string(ring)).c_str(),
                [=] { return syscall(SYS_request_key, "user", "cfiddle-attack", nullptr, ring); });
        attempt(("find ring " + std::to_string(ring)).c_str(),
                [=] { return keyctl_(0, ring, 1, 0); });
        attempt(("list ring " + std::to_string(ring)).c_str(), [=] {
            static char text[512];
            return keyctl_(11, ring, (long)text, sizeof text);
        });
    }
    attempt("join a session", [] { return keyctl_(1, 0, 0, 0); });
    attempt("link root's persistent ring", [] { return keyctl_(22, 0, PROCESS, 0); });
    attempt("own persistent ring", [] { return keyctl_(22, -1, PROCESS, 0); });
    attempt("guess a key", [] {
        static char text[512];
        return keyctl_(6, 1, (long)text, sizeof text);
    });
    return reached;
}

// For attacks that try several ways: `attempt()` tries one, `reached` counts those that succeeded.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

static long reached;

// Each way has a process of its own: what it changes is not the next one's beginning, and a call
// that kills its caller is refused, too. With another error than these three the kernel has gone
// on to look at the arguments, so that better ones might do.
template <typename Way> static void attempt(const char *name, Way way) {
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

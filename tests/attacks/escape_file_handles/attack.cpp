#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
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

// The files that the engine puts over the image's lie on the machine's own disk.
const char *const PLACES[] = {
    "/", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/work", "/proc", "/sys", "/dev"};

struct Handle {
    unsigned bytes;
    int kind;
    unsigned char data[128];
};

} // namespace

extern "C" long attack(long n) {
    for (const char *place : PLACES) {
        attempt((std::string("handle of ") + place).c_str(), [=] {
            Handle handle = {sizeof handle.data, 0, {}};
            int mount = 0;
            return syscall(SYS_name_to_handle_at, AT_FDCWD, place, &handle, &mount, 0);
        });
        attempt((std::string("inode 2 of the disk of ") + place).c_str(), [=] {
            Handle handle = {8, 1, {2}};
            const int mount = open(place, O_RDONLY);
            return syscall(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
        });
    }
    attempt("fanotify_init", [] { return syscall(SYS_fanotify_init, 0, O_RDONLY); });
    attempt("fanotify_init, names only",
            [] { return syscall(SYS_fanotify_init, 0x200, O_RDONLY); });
    attempt("fanotify_mark", [] { return syscall(SYS_fanotify_mark, -1, 1, 1, AT_FDCWD, "/"); });
    return reached;
}

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

// With a descriptor that is none, the kernel would say so: what is answered as done was not looked at.
template <typename Way> void answered(const char *name, Way way) {
    attempt(name, [=] {
        errno = 0;
        const long answer = way(-1);
        if (answer == 0)
            errno = EPERM;
        else if (errno != EPERM)
            errno = EBADF;
        return -1;
    });
}

} // namespace

extern "C" long attack(long n) {
    const int hosts = open("/etc/hosts", O_RDONLY);
    attempt("sync", [] { return syscall(SYS_sync); });
    attempt("syncfs", [=] { return syscall(SYS_syncfs, hosts); });
    answered("fsync", [](int file) { return syscall(SYS_fsync, file); });
    answered("fdatasync", [](int file) { return syscall(SYS_fdatasync, file); });
    answered("sync_file_range", [](int file) { return syscall(SYS_sync_file_range, file, 0, 0, 7); });
    answered("posix_fadvise", [](int file) {
        return syscall(SYS_fadvise64, file, 0, 0, POSIX_FADV_DONTNEED);
    });
    // Of memory that is not mapped: ENOMEM, if anybody looked.
    answered("msync", [](int) { return syscall(SYS_msync, 4096, 4096, MS_SYNC); });
    // Past the machine's memory of what was read, to its disk again each time.
    attempt("open with O_DIRECT", [] {
        const long file = open("/etc/hosts", O_RDONLY | O_DIRECT);
        if (file < 0 && errno == EINVAL)
            errno = EPERM; // as a file system says that cannot do it
        return file;
    });
    attempt("fcntl with O_DIRECT", [=] {
        const long answer = fcntl(hosts, F_SETFL, O_DIRECT | O_NONBLOCK);
        if (answer < 0 && errno == EINVAL)
            errno = EPERM;
        return answer;
    });
    attempt("openat2", [] {
        unsigned long how[3] = {O_RDONLY | O_DIRECT, 0, 0};
        return syscall(437, AT_FDCWD, "/etc/hosts", how, sizeof how);
    });
    if (fcntl(hosts, F_SETFL, O_NONBLOCK) != 0)
        return 300;
    // Honest programs go on, and can still ask what is mapped.
    const int own = open("own", O_CREAT | O_RDWR, 0600);
    if (own < 0 || write(own, "x", 1) != 1 || fsync(own) != 0 || fdatasync(own) != 0)
        return 100;
    if (msync((void *)4096, 4096, MS_ASYNC) == 0)
        return 200;
    return reached;
}

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long is_socket(int one, const char *where) {
    struct stat status;
    if (fstat(one, &status))
        return 0;
    printf("%s %d: mode %o\n", where, one, status.st_mode);
    return S_ISSOCK(status.st_mode);
}

extern "C" long attack(long n) {
    long won = 0;
    char path[64];
    for (int one = 0; one < 1024; one++)
        won += is_socket(one, "inherited");
    int guest = syscall(SYS_pidfd_open, 1, 0);
    for (int one = 0; one < 64; one++) {
        int stolen = syscall(SYS_pidfd_getfd, guest, one, 0);
        if (stolen < 0) {
            snprintf(path, sizeof path, "/proc/1/fd/%d", one);
            stolen = open(path, O_RDWR);
        }
        // Whatever it is: nothing of the guest's may be taken.
        won += stolen >= 0;
    }
    return won;
}

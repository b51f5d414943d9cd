#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const long STEP = 1 << 20;

static long megabytes() {
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &more);
    long locked = 0;
    for (;; locked++) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS;
        void *map = mmap(nullptr, STEP, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (map == MAP_FAILED || mlock(map, STEP))
            break;
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    return locked;
}

extern "C" long attack(long n) {
    long beyond = 0;
    int status;
    for (int i = 0; i < 10; i++)
        if (fork() == 0)
            _exit(megabytes() > 8);
    while (wait(&status) > 0)
        beyond += status != 0;
    return beyond;
}

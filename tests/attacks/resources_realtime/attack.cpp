#include <cstdint>
#include <cstdio>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// sched_attr of sched_setattr(2), which not every C library declares.
struct Attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static long tried(const char *what, bool succeeded) {
    printf("%s: %m\n", what);
    return succeeded;
}

extern "C" long attack(long n) {
    struct sched_param highest = {99}, lowest = {1};
    struct rlimit top = {99, 99}, nice = {40, 40};
    const int DEADLINE = 6; // SCHED_DEADLINE of linux/sched.h
    struct Attributes deadline = {sizeof deadline, DEADLINE, 0, 0, 0, 10000000, 10000000, 10000000};
    long won = tried("RLIMIT_RTPRIO", setrlimit(RLIMIT_RTPRIO, &top) == 0);
    won += tried("RLIMIT_NICE", setrlimit(RLIMIT_NICE, &nice) == 0);
    won += tried("FIFO", sched_setscheduler(0, SCHED_FIFO, &highest) == 0);
    won += tried("FIFO, lowest", sched_setscheduler(0, SCHED_FIFO, &lowest) == 0);
    won += tried("RR", sched_setscheduler(0, SCHED_RR, &lowest) == 0);
    won += tried("deadline", syscall(SYS_sched_setattr, 0, &deadline, 0) == 0);
    won += tried("nice", setpriority(PRIO_PROCESS, 0, -20) == 0);
    won += tried("nice of the group", setpriority(PRIO_PGRP, 0, -1) == 0);
    won += tried("nice of the user", setpriority(PRIO_USER, 0, -1) == 0);
    won += tried("I/O in real time", syscall(SYS_ioprio_set, 1, 0, 1 << 13) == 0);
    if (FILE *group = fopen("/proc/self/autogroup", "w")) {
        won += tried("autogroup", fputs("-20", group) >= 0 && fflush(group) == 0);
        fclose(group);
    }
    return won;
}

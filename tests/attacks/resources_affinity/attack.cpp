#include <cstdio>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" long attack(long n) {
    cpu_set_t before, wanted, after;
    sched_getaffinity(0, sizeof before, &before);
    long won = 0;
    for (int one = 0; one < CPU_SETSIZE; one++) {
        CPU_ZERO(&wanted);
        CPU_SET(one, &wanted);
        won += sched_setaffinity(0, sizeof wanted, &wanted) == 0 && !CPU_ISSET(one, &before);
    }
    for (int one = 0; one < CPU_SETSIZE; one++)
        CPU_SET(one, &wanted);
    sched_setaffinity(0, sizeof wanted, &wanted);
    sched_getaffinity(0, sizeof after, &after);
    won += !CPU_EQUAL(&before, &after);
    // What counts is where the kernel lets it run.
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            for (volatile int work = 0; work < 20000000; work = work + 1)
                if (work % 1000000 == 0 && !CPU_ISSET(sched_getcpu(), &before))
                    _exit(1);
            _exit(0);
        }
    int status;
    while (wait(&status) > 0)
        won += status != 0;
    printf("%d processors\n", CPU_COUNT(&after));
    return won;
}

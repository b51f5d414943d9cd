#include <cstdio>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

static long tried(const char *what, bool succeeded) {
    printf("%s: %m\n", what);
    return succeeded;
}

extern "C" long attack(long n) {
    long won = tried("new user", unshare(CLONE_NEWUSER) == 0);
    won += tried("new network", unshare(CLONE_NEWNET) == 0);
    won += tried("both", unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
    char path[64];
    for (int process = 1; process < 400; process++) {
        snprintf(path, sizeof path, "/proc/%d/ns/net", process);
        int space = open(path, O_RDONLY);
        if (space >= 0) {
            won += tried(path, setns(space, CLONE_NEWNET) == 0);
            close(space);
        }
    }
    return won;
}

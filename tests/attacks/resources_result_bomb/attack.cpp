#include <cstring>
#include <fcntl.h>
#include <unistd.h>

static char block[1 << 20];

extern "C" long attack(long n) {
    memset(block, 'x', sizeof block);
    int file = open("big", O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 300; i++)
        if (write(file, block, sizeof block) < 0)
            return -1;
    return n;
}

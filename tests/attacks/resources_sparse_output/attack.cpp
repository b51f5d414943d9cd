#include <fcntl.h>
#include <unistd.h>

extern "C" long attack(long n) {
    int file = open("big", O_CREAT | O_WRONLY, 0600);
    return ftruncate(file, 1L << 40) ? -1 : n;
}

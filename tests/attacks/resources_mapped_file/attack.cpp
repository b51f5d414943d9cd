#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static const long SIZE = 8L << 30;

extern "C" long attack(long n) {
    int file = open("sparse", O_CREAT | O_RDWR, 0600);
    if (ftruncate(file, SIZE))
        return -1;
    void *map = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return -2;
    memset(map, 1, SIZE);
    return n;
}

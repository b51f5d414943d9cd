#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static const long SIZE = 16 << 20;

static void fill(int file, int flags) {
    void *block = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, file, 0);
    if (block != MAP_FAILED)
        memset(block, 1, SIZE);
}

extern "C" long attack(long n) {
    for (;;) {
        int memory = memfd_create("m", 0);
        if (memory >= 0 && ftruncate(memory, SIZE) == 0)
            fill(memory, 0);
        fill(-1, MAP_ANONYMOUS);
        int shared = shm_open("/m", O_CREAT | O_RDWR, 0600);
        if (shared < 0 && n++ == 1)
            printf("shm_open: %s\n", strerror(errno));
        if (shared >= 0 && shm_unlink("/m") == 0 && ftruncate(shared, SIZE) == 0)
            fill(shared, 0);
    }
    return n;
}

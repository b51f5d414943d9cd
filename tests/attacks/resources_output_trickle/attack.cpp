#include <unistd.h>

extern "C" long attack(long n) {
    for (;;) {
        n += write(STDOUT_FILENO, "x", 1);
        usleep(10000);
    }
    return n;
}

#include <cstring>
#include <sys/resource.h>

static long deeper(long n) {
    char frame[1 << 16];
    memset(frame, 1, sizeof frame);
    return n < 0 ? 0 : deeper(n + 1) + frame[n & 0xffff];
}

extern "C" long attack(long n) {
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    stack.rlim_cur = stack.rlim_max;
    setrlimit(RLIMIT_STACK, &stack);
    return deeper(n);
}

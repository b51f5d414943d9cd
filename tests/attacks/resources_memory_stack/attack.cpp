#include <cstring>

static long deeper(long n) {
    char frame[1 << 16];
    memset(frame, 1, sizeof frame);
    return n < 0 ? 0 : deeper(n + 1) + frame[n & 0xffff];
}

extern "C" long attack(long n) {
    return deeper(n);
}

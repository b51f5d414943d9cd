#include <cstring>

static char huge[1L << 30];

extern "C" long attack(long n) {
    memset(huge, 1, sizeof huge);
    return huge[n];
}

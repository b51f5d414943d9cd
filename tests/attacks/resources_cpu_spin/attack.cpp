#include <pthread.h>

static void *spin(void *) {
    for (volatile long i = 0;; i = i + 1) {
    }
}

extern "C" long attack(long n) {
    pthread_t thread;
    for (int i = 0; i < 100; i++)
        pthread_create(&thread, nullptr, spin, nullptr);
    spin(nullptr);
    return n;
}

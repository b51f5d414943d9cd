#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" long attack(long n) {
    char name[256] = {};
    for (int depth = 0; depth < 20; depth++) {
        for (int first = 1; first < 256; first++) {
            memset(name, 'a', 255);
            name[0] = first == '/' ? 'b' : first;
            close(open(name, O_CREAT | O_WRONLY, 0600));
        }
        memset(name, 'd', 255);
        if (mkdir(name, 0700) || chdir(name))
            return -1;
    }
    return n;
}

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" long attack(long n) {
    for (int i = 0; i < 5000; i++) {
        close(open("x", O_CREAT | O_WRONLY, 0600));
        if (mkdir("d", 0700) || chdir("d"))
            return -1;
    }
    return n;
}

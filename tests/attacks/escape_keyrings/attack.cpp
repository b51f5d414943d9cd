#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

const int SESSION = -3, USER = -4, USER_SESSION = -5, PROCESS = -2;

long keyctl_(long command, long a, long b, long c) {
    return syscall(SYS_keyctl, command, a, b, c, 0);
}

} // namespace

extern "C" long attack(long n) {
    for (int ring : {SESSION, USER, USER_SESSION, PROCESS}) {
        attempt(("add_key to ring " + std::to_string(ring)).c_str(),
                [=] { return syscall(SYS_add_key, "user", "cfiddle-attack", "x", 1, ring); });
        attempt(("request_key for ring " + std::to_string(ring)).c_str(),
                [=] { return syscall(SYS_request_key, "user", "cfiddle-attack", nullptr, ring); });
        attempt(("find ring " + std::to_string(ring)).c_str(),
                [=] { return keyctl_(0, ring, 1, 0); });
        attempt(("list ring " + std::to_string(ring)).c_str(), [=] {
            static char text[512];
            return keyctl_(11, ring, (long)text, sizeof text);
        });
    }
    attempt("join a session", [] { return keyctl_(1, 0, 0, 0); });
    attempt("link root's persistent ring", [] { return keyctl_(22, 0, PROCESS, 0); });
    attempt("own persistent ring", [] { return keyctl_(22, -1, PROCESS, 0); });
    attempt("guess a key", [] {
        static char text[512];
        return keyctl_(6, 1, (long)text, sizeof text);
    });
    return reached;
}

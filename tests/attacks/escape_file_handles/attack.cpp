#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

// The files that the engine puts over the image's lie on the machine's own disk.
const char *const PLACES[] = {
    "/", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/work", "/proc", "/sys", "/dev"};

struct Handle {
    unsigned bytes;
    int kind;
    unsigned char data[128];
};

} // namespace

extern "C" long attack(long n) {
    for (const char *place : PLACES) {
        attempt((std::string("handle of ") + place).c_str(), [=] {
            Handle handle = {sizeof handle.data, 0, {}};
            int mount = 0;
            return syscall(SYS_name_to_handle_at, AT_FDCWD, place, &handle, &mount, 0);
        });
        attempt((std::string("inode 2 of the disk of ") + place).c_str(), [=] {
            Handle handle = {8, 1, {2}};
            const int mount = open(place, O_RDONLY);
            return syscall(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
        });
    }
    attempt("fanotify_init", [] { return syscall(SYS_fanotify_init, 0, O_RDONLY); });
    attempt("fanotify_init, names only",
            [] { return syscall(SYS_fanotify_init, 0x200, O_RDONLY); });
    attempt("fanotify_mark", [] { return syscall(SYS_fanotify_mark, -1, 1, 1, AT_FDCWD, "/"); });
    return reached;
}

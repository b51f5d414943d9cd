#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern "C" long attack(long n) {
    bool all = mkdir("big folder", 0700) == 0;
    all = mkfifo("big fifo", 0600) == 0 && all;
    all = symlink("/dev/zero", "big zeros") == 0 && all;
    all = symlink("/etc/passwd", "big link") == 0 && all;
    all = symlink("big loop", "big loop") == 0 && all;
    struct sockaddr_un name = {AF_UNIX, "big socket"};
    int door = socket(AF_UNIX, SOCK_STREAM, 0);
    all = bind(door, reinterpret_cast<struct sockaddr *>(&name), sizeof name) == 0 && all;
    return all ? n : -1;
}

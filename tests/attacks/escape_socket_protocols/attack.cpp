#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

namespace {

struct Protocol {
    const char *name;
    int kind, number;
};

const Protocol PROTOCOLS[] = {
    {"raw", SOCK_RAW, 255},
    {"raw ICMP", SOCK_RAW, 1},
    {"packet", SOCK_PACKET, 0x300},
    {"SCTP", SOCK_SEQPACKET, 132},
    {"SCTP streams", SOCK_STREAM, 132},
    {"DCCP", SOCK_DCCP, 33},
    {"UDP-Lite", SOCK_DGRAM, 136},
    {"L2TP", SOCK_DGRAM, 115},
    {"MPTCP", SOCK_STREAM, 262},
    {"SMC", SOCK_STREAM, 256},
};

} // namespace

extern "C" long attack(long n) {
    for (int family : {AF_INET, AF_INET6})
        for (const Protocol &protocol : PROTOCOLS)
            attempt((std::string(protocol.name) + (family == AF_INET ? " over IPv4" : " over IPv6"))
                        .c_str(),
                    [&] { return syscall(SYS_socket, family, protocol.kind, protocol.number); });
    return reached;
}

"""Travels into the sandbox and looks around; what it finds it prints as one line of JSON."""

import json
import os
import socket
from pathlib import Path


class Probe:
    """Its methods are executed in the sandbox."""

    def look(self) -> None:
        """Print what the experiment's process is, sees and may do."""
        status = dict(
            line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        found = {
            "uids": status["Uid"].split(),
            "gids": status["Gid"].split(),
            "groups": os.getgroups(),
            "capabilities": {
                name: int(status[name], 16)
                for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
            },
            "no_new_privs": status["NoNewPrivs"].strip(),
            "seccomp": status["Seccomp"].strip(),
            "cpus": sorted(os.sched_getaffinity(0)),
            "interfaces": sorted(os.listdir("/sys/class/net")),
            "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
            "home": os.listdir("/home"),
            "shm": os.path.exists("/dev/shm"),
            "hostname": socket.gethostname(),
            "environment": dict(os.environ),
            "devices": sorted(os.listdir("/dev")),
            "writable": [place for place in _PLACES if _can_write(place)],
            "refused": {name: _errno_of(action) for name, action in _FORBIDDEN.items()},
            "allowed": {name: _errno_of(action) for name, action in _ALLOWED.items()},
            "mounts": dict(
                line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()
            ),
        }
        print(json.dumps(found))

    def take_over(self) -> None:
        """Try to speak in the guest's place."""
        print(json.dumps({name: _errno_of(action) for name, action in _TAKE_OVER.items()}))


_PLACES = ("/", "/etc", "/usr", "/home", "/var/tmp", "/root", "/dev", "/run", "/sys/fs/cgroup",
           "/tmp", "/work", "/work/files")  # fmt: skip


def _can_write(place: str) -> bool:
    try:
        path = Path(place, "probe")
        path.write_text("x")
        path.unlink()
    except OSError:
        return False
    return True


def _errno_of(action: object) -> int:
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        return error.errno or -1
    return 0


def _network() -> None:
    """A datagram to TEST-NET-1 (RFC 5737): where there is any network, sending it succeeds, though
    nobody is there; a connection would only time out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.sendto(b"x", ("192.0.2.1", 53))


_FORBIDDEN = {
    "setuid": lambda: os.setuid(0),
    "setgid": lambda: os.setgid(0),
    "chroot": lambda: os.chroot("/"),
    "mknod": lambda: os.mknod("/work/device", 0o20600, os.makedev(1, 1)),
    "nice": lambda: os.nice(-5),
    "network": _network,
    "raw_socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "kmsg": lambda: os.close(os.open("/dev/kmsg", os.O_RDONLY)),
    "sysctl": lambda: os.close(os.open("/proc/sys/kernel/perf_event_paranoid", os.O_WRONLY)),
    "shadow": lambda: os.close(os.open("/etc/shadow", os.O_RDONLY)),
}
# Each is like one of those above: that it succeeds shows that it is the wall that refuses those.
_ALLOWED = {
    "a local socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close(),
    "a FIFO": lambda: os.mkfifo("/work/fifo"),
    "its own uid": lambda: os.setuid(os.getuid()),
    "nicer to others": lambda: os.nice(1),
    "the list of accounts": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
    "to read a sysctl": lambda: os.close(os.open("/proc/sys/kernel/ostype", os.O_RDONLY)),
}
_TAKE_OVER = {
    "guest_stdout": lambda: os.close(os.open("/proc/1/fd/1", os.O_WRONLY)),
    "guest_memory": lambda: os.close(os.open("/proc/1/mem", os.O_RDWR)),
    "guest_descriptors": lambda: os.listdir("/proc/1/fd"),
    "guest_environment": lambda: os.close(os.open("/proc/1/environ", os.O_RDONLY)),
}

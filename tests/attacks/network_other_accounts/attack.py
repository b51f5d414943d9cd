"""Whatever of another account can be reached on the user node."""

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import zmq

from tests.attacks.student import Student

SERVER = 8888
"""JupyterLab's own port, which asks everybody for its token."""
STUDENTS = [*range(1000, 7000), *range(7200, 60000)]
SECONDS = 4.0


def attack(student: Student) -> list[str]:
    """What was reached."""
    ports, sockets = ports_of_others(), sockets_of_others()
    print(f"looked at {len(ports)} ports and {len(sockets)} sockets of others")
    return [
        *(f"port {port}: {said}" for port, said in heard(ports).items()),
        *(f"port {port} is a debugger" for port in ports if is_debugger(port)),
        *(f"port {port} is open" for port in ports),
        *(f"socket {place} takes a connection" for place in sockets if connects(place)),
        *in_others_folders(),
        *in_others_processes(),
    ]


def ports_of_others() -> list[int]:
    """TCP ports that another student's processes listen at (proc_net_tcp, Linux' documentation)."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            port, state, uid = int(fields[1].rpartition(":")[2], 16), fields[3], int(fields[7])
            if state == "0A" and uid in STUDENTS and uid != os.getuid() and port != SERVER:
                found.add(port)
    return sorted(found)


def heard(ports: list[int]) -> dict[int, str]:
    """What kernels publish there meanwhile."""
    context, poller, found = zmq.Context(), zmq.Poller(), dict[int, str]()
    subscribers = {}
    for port in ports:
        subscriber = context.socket(zmq.SUB)
        subscriber.subscribe(b"")
        subscriber.connect(f"tcp://127.0.0.1:{port}")
        poller.register(subscriber, zmq.POLLIN)
        subscribers[subscriber] = port
    give_up = time.monotonic() + SECONDS
    while ports and time.monotonic() < give_up:
        for subscriber, _ in poller.poll(100):
            found[subscribers[subscriber]] = str(subscriber.recv_multipart())[:200]
    context.destroy(linger=0)
    return found


def is_debugger(port: int) -> bool:
    """Whether a debug adapter answers there (the Debug Adapter Protocol needs no key)."""
    body = json.dumps({"seq": 1, "type": "request", "command": "initialize",
                       "arguments": {"adapterID": "x"}}).encode()  # fmt: skip
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as door:
        door.settimeout(1)
        door.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return b"Content-Length" in door.recv(1000)
    return False


def sockets_of_others() -> list[str]:
    """Unix sockets that have a name, abstract ones among them, and are not this account's."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    names = {line.split(maxsplit=7)[7] for line in lines if len(line.split(maxsplit=7)) == 8}
    return sorted(name for name in names if not is_ours(name) and "munge" not in name)


def is_ours(name: str) -> bool:
    """Whether a socket lies in the file system and belongs to this account."""
    with contextlib.suppress(OSError):
        return not name.startswith("@") and Path(name).stat().st_uid == os.getuid()
    return False


def connects(name: str) -> bool:
    """Whether a socket takes a connection."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as door, contextlib.suppress(OSError):
            door.connect("\0" + name[1:] if name.startswith("@") else name)
            return True
    return False


def in_others_folders() -> Iterator[str]:
    """What can be listed or read in places that accounts share."""
    for folder in (*Path("/run/user").iterdir(), *Path("/home").glob("[a-z]*")):
        if folder.stat().st_uid != os.getuid():
            with contextlib.suppress(OSError):
                yield f"{folder} holds {os.listdir(folder)}"
    # What a student puts there by hand is as open as the student made it.
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
        for path in Path(place).rglob("*"):
            with contextlib.suppress(OSError):
                by_jupyter = re.search("jupyter|kernel|ipython|jpserver|zmq", str(path))
                if by_jupyter and path.stat().st_uid in STUDENTS and not own(path):
                    yield f"{path} holds {path.read_bytes()[:50]!r}"


def own(path: Path) -> bool:
    """Whether it is this account's."""
    return path.stat().st_uid == os.getuid()


def in_others_processes() -> Iterator[str]:
    """What of another account's processes can be entered or read."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if own(process) or process.stat().st_uid not in STUDENTS:
                continue
            if b"token=" in (process / "cmdline").read_bytes():
                yield f"{process}/cmdline has a token"
        for name in ("environ", "mem", "maps", "fd/0", "cwd/.", "root/.", "stack"):
            with contextlib.suppress(OSError):
                descriptor = os.open(process / name, os.O_RDONLY)
                os.close(descriptor)
                yield f"{process}/{name} opens"

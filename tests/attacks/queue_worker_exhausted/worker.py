"""In the student's own allocation: take all there is, for a few seconds."""

import contextlib
import os
import sys
import time


def processes() -> None:
    """Fork without end, for three seconds."""
    give_up = time.monotonic() + 3
    count = 0
    while time.monotonic() < give_up:
        try:
            if os.fork() != 0:
                count += 1
        except OSError as error:
            print(f"{count} forks: {error.strerror}", flush=True)
            time.sleep(0.1)
    os._exit(0)


def memory() -> None:
    """More than the container has."""
    held = []
    for _ in range(4096):
        held.append(bytearray(os.urandom(1024)) * 1024)
    print(f"{len(held)} MiB", flush=True)


def files() -> None:
    """Until there is no room, wherever one may write."""
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
        written = 0
        with contextlib.suppress(OSError), open(f"{place}/fill", "wb", buffering=0) as stream:
            while written < 4 << 30:
                written += stream.write(bytes(1 << 20))
        print(f"{place}: {written >> 20} MiB", flush=True)


if __name__ == "__main__":
    {"processes": processes, "memory": memory, "files": files}[sys.argv[1]]()

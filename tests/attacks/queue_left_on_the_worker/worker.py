"""In the student's own allocation: leave something, or look for what was left."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/run/lock", "/run/cfiddle-slurm",
          "/run/cfiddle-slurm/jobs", "/run/cfiddle-slurm/socket", "/var/lib/slurm")  # fmt: skip
MADE = "left-by-a-student"
CREATE = 0o1000 | 0o600  # IPC_CREAT of sys/ipc.h


def leave() -> None:
    """Everything that could stay."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(20):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
                    signal.signal(each, signal.SIG_IGN)
                nothing = os.open("/dev/null", os.O_RDWR)
                for standard in (0, 1, 2):
                    os.dup2(nothing, standard)
                time.sleep(600)
            os._exit(0)
        libc.shmget(4000 + number, 1 << 20, CREATE)
        libc.msgget(4000 + number, CREATE)
        libc.semget(4000 + number, 1, CREATE)
    files = [place for place in PLACES if write(Path(place, MADE))]
    time.sleep(0.3)
    count = len(
        subprocess.run(["lsipc", "-m", "--noheadings"], capture_output=True).stdout.splitlines()
    )
    print(f"left: 20 processes, files in {files}, {count} IPC segments")


def write(path: Path) -> bool:
    """Whether a file could be made."""
    try:
        path.write_bytes(b"x" * (1 << 20))
    except OSError:
        return False
    return True


def look() -> None:
    """Everything of this user that is still there."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine, line = folder.stat().st_uid == os.getuid(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mine and b"leave" in line:
            print(f"found process {folder.name}")
    for place in PLACES:
        if Path(place, MADE).exists():
            print(f"found file in {place}")
    for kind in "mqs":
        done = subprocess.run(["lsipc", f"-{kind}", "--noheadings"], capture_output=True, text=True)
        for row in done.stdout.splitlines():
            print(f"found IPC {row}")


if __name__ == "__main__":
    {"leave": leave, "look": look}[sys.argv[1]]()

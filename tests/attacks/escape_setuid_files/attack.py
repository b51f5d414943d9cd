"""Tries to become more by starting a program."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable

PERFMON = 1 << 38
SET_USER_ID = stat.S_ISUID | stat.S_ISGID | 0o755
# struct vfs_cap_data of linux/capability.h, revision 2, effective, with all capabilities.
ALL_CAPABILITIES = b"\x01\x00\x00\x02" + b"\xff\xff\xff\xff\x00\x00\x00\x00" * 2
PROGRAMS = (
    ("su", "-c", "id"),
    ("sudo", "-n", "id"),
    ("mount",),
    ("newgrp", "root"),
    ("pkexec", "id"),
    ("setpriv", "--reuid=0", "id"),
    ("setpriv", "--inh-caps=+all", "--ambient-caps=+all", "id"),
    ("setpriv", "--bounding-set=+all", "id"),
    ("chroot", "/", "id"),
    ("unshare", "-r", "id"),
    ("nsenter", "-t", "1", "-a", "id"),
    ("capsh", "--user=root"),
    ("newuidmap", "1", "0", "0", "1"),
    ("chsh", "-s", "/bin/sh"),
)
WHO = (
    "import os; status = open('/proc/self/status').read();"
    "more = int(status.partition('CapEff:')[2].split()[0], 16);"
    f"raise SystemExit((os.getresuid(), os.getresgid()) != ((7000,) * 3,) * 2 or more & ~{PERFMON})"
)


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What made it more than it is."""
        found = _privileged_files()
        for place in ("/work", "/tmp"):
            program = shutil.copy(sys.executable, f"{place}/own")
            for name, way in _ways(program).items():
                if _becomes_more(f"{place}: {name}", program, way):
                    found.append(f"{place}: {name}")
        return found + [words[0] for words in PROGRAMS if _succeeds(words)]


def _ways(program: str) -> dict[str, Callable[[], None]]:
    return {
        "set-user-id": lambda: os.chmod(program, SET_USER_ID),
        "root's": lambda: os.chown(program, 0, 0),
        "root's group's": lambda: os.chown(program, -1, 0),
        "with capabilities": lambda: os.setxattr(program, "security.capability", ALL_CAPABILITIES),
        "with a trusted attribute": lambda: os.setxattr(program, "trusted.overlay.opaque", b"y"),
    }


def _becomes_more(name: str, program: str, way: Callable[[], None]) -> bool:
    try:
        way()
        done = subprocess.run([program, "-I", "-c", WHO], check=False)
    except OSError as error:
        print(f"{name}: {error.strerror}")
        return False
    print(f"{name}: started, {'more' if done.returncode else 'no more than before'}")
    return done.returncode != 0


def _succeeds(words: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{words}: {error}")
        return False
    print(f"{words}: {done.returncode} {done.stderr.strip()[:100]}")
    # Without arguments mount(8) lists, which is no harm.
    return done.returncode == 0 and words != ("mount",)


def _privileged_files() -> list[str]:
    found = []
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys")):
            continue
        for name in names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISREG(mode):
                continue
            capable = "security.capability" in os.listxattr(path, follow_symlinks=False)
            if mode & (stat.S_ISUID | stat.S_ISGID) or capable:
                print(f"{path}: {stat.filemode(mode)} {'with capabilities' if capable else ''}")
                found.append(path)
    return found

"""Looks for a folder or file outside of the scratch space that can be changed."""

import os
from collections import Counter
from collections.abc import Callable

SCRATCH = ("/proc", "/sys", "/work", "/tmp", "/dev/pts", "/dev/mqueue", "/dev/fd")
MODULE = "/usr/local/lib/python3"


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What could be changed."""
        found, answers = [], Counter[str]()
        for folder, _, names in os.walk("/"):
            if folder.startswith(SCRATCH):
                continue
            for name in ("written", *names):
                path = f"{folder}/{name}"
                try:
                    os.close(os.open(path, os.O_WRONLY | (os.O_CREAT if name == "written" else 0)))
                except OSError as error:
                    answers[os.strerror(error.errno or 0)] += 1
                else:
                    if not path.startswith("/dev/") or name == "written":
                        found.append(path)
        print(f"opened to write: {answers}")
        return found + [name for name, way in WAYS.items() if _works(name, way)]


def _works(name: str, way: Callable[[], object]) -> bool:
    try:
        way()
    except OSError as error:
        print(f"{name}: {error.strerror}")
        return False
    print(f"{name}: worked")
    return True


def _put(path: str) -> None:
    with open(path, "w") as stream:
        stream.write("/work/own.so\n")


WAYS: dict[str, Callable[[], object]] = {
    "preload": lambda: _put("/etc/ld.so.preload"),
    "loader's cache": lambda: _put("/etc/ld.so.cache"),
    "accounts": lambda: _put("/etc/passwd"),
    "hosts": lambda: _put("/etc/hosts"),
    "resolver": lambda: _put("/etc/resolv.conf"),
    "time of a program": lambda: os.utime("/usr/bin/env"),
    "rights of a program": lambda: os.chmod("/usr/bin/env", 0o700),
    "owner of a program": lambda: os.chown("/usr/bin/env", 7000, 7000),
    "removal of a program": lambda: os.unlink("/usr/bin/env"),
    "another name of a program": lambda: os.rename("/usr/bin/env", "/usr/bin/own"),
    "link to the passwords": lambda: os.link("/etc/shadow", "/etc/own"),
    "link to the passwords in /work": lambda: os.link("/etc/shadow", "/work/own"),
    "/work elsewhere": lambda: os.rename("/work", "/own"),
    "/work away": lambda: os.rmdir("/work"),
    "/work's owner": lambda: os.chown("/work", 0, 0),
    "the null device": lambda: os.chmod("/dev/null", 0o600),
    "the null device away": lambda: os.unlink("/dev/null"),
    "a file without a name in /": lambda: os.open("/", os.O_TMPFILE | os.O_WRONLY),
    "the interpreter": lambda: os.open("/proc/self/exe", os.O_WRONLY),
    "the interpreter, cut off": lambda: os.truncate("/proc/self/exe", 0),
}

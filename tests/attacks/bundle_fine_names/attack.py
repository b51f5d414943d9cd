"""Bundles whose members have odd names that a file may have, and an experiment that finds them."""

from tests.attacks.student import Student, member

# What the guest, or the experiment, owns anywhere; and what can be written that it does not own.
SOURCE = """
#include <cstdio>
#include <cstring>
#include <ftw.h>
#include <initializer_list>
#include <sys/stat.h>
#include <unistd.h>
static int look(const char *path, const struct stat *status, int type, struct FTW *) {
    for (const char *place : {"/proc", "/sys", "/dev"})
        if (strncmp(path, place, strlen(place)) == 0)
            return 0;
    bool inside = strncmp(path, "/work/", 6) == 0;
    if (strncmp(path, "/work/files/", 12) == 0 && type == FTW_F)
        printf("inside %s\\n", path);
    if (!inside && (status->st_uid == getuid() || (type == FTW_D && access(path, W_OK) == 0)))
        printf("outside %s\\n", path);
    return 0;
}
extern "C" long attack(long n) {
    nftw("/", look, 64, FTW_PHYS);
    fflush(stdout);
    _exit(3);
}
"""
NAMES = (
    "-rf",
    "--checkpoint-action=exec=id",
    "$(id)",
    "`id`; id",
    "~root",
    "*",
    "..\\..\\a",
    "...",
    ".bashrc",
    "sitecustomize.py",
    "cfiddle_slurm/__init__.py",
    "json.py",
    "ctypes.so",
    "etc/passwd",
    "proc/self/mem",
    "con",
    "a" * 230,
    "\u2603" * 70,
    "\u202egnp.exe",
    "\udcff",
    " ",
    "a/" * 100 + "b",
)


def attack(student: Student) -> list[str]:
    """What was not where it belongs."""
    good = student.good_bundle(SOURCE)
    folder = student.job_directory(
        student.pack(good, *(member(f"files/{name}", b"raise SystemExit(9)") for name in NAMES))
    )
    report = student.run_directory(folder)
    said, printed = report.get("outcome", {}), report.get("printed", "")
    print(f"{said}\n{printed}")
    wrong = [] if said.get("code") == 3 else [f"{said}"]
    expected = {"outside /work", "outside /tmp"}
    lines = printed.splitlines()
    wrong += [line for line in lines if line.startswith("outside") and line not in expected]
    missing = [name for name in NAMES if f"inside /work/files/{shown(name)}" not in lines]
    return wrong + [f"missing: {name!r}" for name in missing]


def shown(name: str) -> str:
    """A name as it is read from what was printed."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

"""Output files beside those that were asked for."""

import os

from tests.attacks.student import Student

SOURCE = """
#include <fcntl.h>
#include <initializer_list>
#include <sys/stat.h>
#include <unistd.h>
extern "C" long attack(long n) {
    mkdir("sub", 0700);
    mkdir("out.txt~", 0700);
    for (const char *name : {
             "out.txt", "OUT.txt", "out.txt ", "out.txtx", "sub/out.txt", ".out.txt", "input",
             "caf\\u00e9",
             "cafe\\u0301", "out.txt~/out.txt", "../outside", "../outputs", "../results/out.txt"}) {
        int file = open(name, O_CREAT | O_TRUNC | O_WRONLY, 06777);
        if (write(file, "harm", 4) < 0)
            return -1;
        close(file);
    }
    symlink("/etc/passwd", "cafe");
    link("../runner.pickle", "caf0");
    chmod("out.txt", 06777);
    return n;
}
"""
WANTED = {"out.txt", "caf\u00e9", "caf0"}


def attack(student: Student) -> list[str]:
    """The files that came, and were not asked for; and what is wrong with those that were."""
    (student.folder / "input").write_text("mine")
    (student.folder / "OUT.txt").write_text("mine")
    before = set(os.listdir())
    said = student.notebook(SOURCE, input_files=["input"], output_files=["out.txt", "caf?"])
    after = set(os.listdir())
    print(f"{said}: {after}")
    wrong = [] if said == "taken" else [said]
    wrong += [repr(name) for name in (after - before) ^ WANTED if name != ".cfiddle"]
    for name in ("input", "OUT.txt"):
        if (student.folder / name).read_text() != "mine":
            wrong.append(f"{name} was changed")
    mode = os.stat("out.txt").st_mode
    if mode & 0o7022:
        wrong.append(f"out.txt has the mode {mode:o}")
    return wrong

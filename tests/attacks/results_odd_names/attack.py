"""Output files whose names should not be in anybody's folder."""

import os

from tests.attacks.student import Student

SOURCE = """
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
extern "C" long attack(long n) {
    mkdir("sub", 0700);
    close(open(%s, O_CREAT | O_WRONLY, 0600));
    return n;
}
"""
NAMES = {
    "a line break": r'"a\nb"',
    "a carriage return": r'"harmful\rharmless"',
    "a terminal's commands": r'"\033]0;title\007\033[2J"',
    "a line break in a folder": r'"sub/a\n"',
    "a deleted character": r'"a\177b"',
    "a terminal's command in one character": r'"a\302\2332J"',
}
FINE = {
    "no UTF-8": r'"\377\376"',
    "a tree": r'"sub/~"',
    "a backslash": r'"..\\..\\a"',
    "a name that is turned round": r'"\342\200\256gnp.exe"',
}


def attack(student: Student) -> list[str]:
    """The names that did not end as they must, and what is there that was not."""
    before = set(os.listdir(student.folder.parent))
    wrong = []
    for what, name in {**NAMES, **FINE}.items():
        said = student.notebook(SOURCE % name, output_files=["**"])
        print(f"{what}: {said[:200]}")
        if not said.startswith("taken" if what in FINE else "ResultRejected"):
            wrong.append(f"{what}: {said}")
    found = {path for path in student.folder.rglob("*") if ".cfiddle" not in path.parts}
    wrong += [repr(path) for path in found if any(ord(one) < 32 for one in path.name)]
    return wrong + [repr(name) for name in set(os.listdir(student.folder.parent)) - before]

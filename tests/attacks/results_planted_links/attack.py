"""Output files whose places in the notebook's folder are links."""

import os

from tests.attacks.student import Student

SOURCE = """
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
extern "C" long attack(long n) {
    mkdir("out", 0700);
    int file = open("%s", O_CREAT | O_WRONLY, 0600);
    return write(file, "harm", 4) == 4 ? n : -1;
}
"""


def attack(student: Student) -> list[str]:
    """What was written through a link, and what was not refused."""
    outside, link = student.folder / "outside", student.folder / "out"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    wrong = []
    ways = {
        "through a folder that is a link": (outside, "out/precious", "ResultRejected"),
        "a new file in such a folder": (outside, "out/new", "ResultRejected"),
        "through a link to nothing": (student.folder / "none", "out/new", "ResultRejected"),
        "through a file": (outside / "precious", "out/new", "ResultRejected"),
        "over a link to a file": (outside / "precious", "name", "taken"),
        "over a link to nothing": (outside / "none", "name", "taken"),
    }
    for what, (target, name, fine) in ways.items():
        place = student.folder / "name" if name == "name" else link
        place.symlink_to(target)
        said = student.notebook(SOURCE % name, output_files=["out/*", "name"])
        print(f"{what}: {said[:200]}")
        if not said.startswith(fine):
            wrong.append(f"{what}: {said}")
        place.unlink()
        if os.listdir(outside) != ["precious"] or (outside / "precious").read_text() != "mine":
            wrong.append(f"{what}: written outside")
    return wrong

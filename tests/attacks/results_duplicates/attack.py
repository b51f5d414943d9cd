"""Records that come again and again."""

from tests.attacks.student import Student

RECORD = b'["result",0,[],[],7]\n'
COPYING = """
#include <cstdio>
#include <initializer_list>
#include <unistd.h>
extern "C" long attack(long n) {
    char block[1000];
    FILE *in = fopen("records", "rb");
    size_t size = fread(block, 1, sizeof block, in);
    for (const char *name : {%s}) {
        FILE *out = fopen(name, "wb");
        fwrite(block, 1, size, out);
        fclose(out);
    }
    fclose(fopen("../results/0.done", "w"));
    _exit(0);
}
"""
NAMES = {
    "another number": '"../results/0", "../results/1"',
    "the same number in two ways": '"../results/0", "../results/00"',
    "the same number in other digits": '"../results/0", "../results/\\u0660"',
    "a number of many digits": '"../results/0", "../results/%s"' % ("0" * 250),
}


def attack(student: Student) -> list[str]:
    """What was taken."""
    wrong = []
    (student.folder / "records").write_bytes(RECORD)
    for what, names in NAMES.items():
        said = student.notebook(COPYING % names, input_files=["records"])
        print(f"{what}: {said[:200]}")
        if not said.startswith("ResultRejected"):
            wrong.append(f"{what}: {said}")
    return wrong + student.not_taken(
        {"once more at the end": RECORD * 2}, "results of invocation 0 twice"
    )

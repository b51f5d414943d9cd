"""Output that was made for whoever shows it."""

import contextlib
import io

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SOURCE = r"""
#include <cstdio>
#include <cstring>
static char line[4 << 20];
extern "C" long attack(long n) {
    fputs("\033]0;title\007\033[2J\033[31m\r\u202eharm\n", stdout);
    fwrite("\0\377\376\302\360\237\230\n", 1, 8, stdout);
    fputs("<script>alert(1)</script>\nVERDICT {}\n", stdout);
    memset(line, 'x', sizeof line);
    fwrite(line, 1, sizeof line, stdout);
    fputs("\n\xf0\x9f", stdout);
    return n;
}
"""


def attack(student: Student) -> list[str]:
    """What did not come as it was printed."""
    del student
    shown = io.StringIO()
    with cfiddle.cfiddle_config(), contextlib.redirect_stdout(shown):
        cfiddle_slurm.configure(scheduler="slurm", show_output=True)
        results = cfiddle.run(cfiddle.build(cfiddle.code(SOURCE)), "attack", cfiddle.arg_map(n=5))
    text = shown.getvalue()
    wrong = [] if results[0].return_value == 5 else [f"{results[0].return_value}"]
    parts = ["\u202eharm\n", "\0\ufffd\ufffd", "<script>alert(1)</script>\n", "x" * (4 << 20)]
    return wrong + [f"missing: {part[:40]!r}" for part in parts if part not in text]

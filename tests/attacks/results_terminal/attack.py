"""Output that was made for whoever shows it."""

import contextlib
import io
import re
import unicodedata

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

SOURCE = r"""
#include <cstdio>
#include <cstring>
#include <unistd.h>
static char line[4 << 20];
extern "C" long attack(long n) {
    fputs("\033]0;title\007\033[2J\033[31m\r\u202eharm\n", stdout);
    fputs("\033]52;c;aGFybQ==\007\033[1A\033[6n\xc2\x9b" "1A\033P$q\033\\\n", stdout);
    fputs("\033", stdout);
    fflush(stdout);
    usleep(300000);
    fputs("]0;later\007\n", stdout);
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
    parts = [
        "\\x1b]0;title\\x07\\x1b[2J\x1b[31m\r\\u202eharm\n", "\\x1b]0;later\\x07\n",
        "\\x00\ufffd\ufffd", "<script>alert(1)</script>\n", "x" * (4 << 20),
    ]  # fmt: skip
    wrong += [f"missing: {part[:40]!r}" for part in parts if part not in text]
    # What is left for a terminal to obey: colours, and the beginning of the line.
    obeyed = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return wrong + [f"{one!r}" for one in set(obeyed) - {"\n", "\t", "\r"} if _commands(one)]


def _commands(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf")

"""A variable longer than execve(2) takes (MAX_ARG_STRLEN: 128 KiB)."""

from typing import Any

import cfiddle

from tests.attacks.student import Student


def attack(student: Student) -> Any:
    """What a run with it returns."""
    built = cfiddle.build(cfiddle.code('extern "C" long attack(long n) { return n; }'))
    options = [{"LONG": "x" * 200_000}]
    return cfiddle.run(built, "attack", cfiddle.arg_map(n=1), run_options=options)[0].return_value

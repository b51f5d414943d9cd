"""An environment larger than a process can have."""

from typing import Any

import cfiddle

from tests.attacks.student import Student

MEGABYTE = 1 << 20


def attack(student: Student) -> Any:
    """What a run with it returns."""
    built = cfiddle.build(cfiddle.code('extern "C" long attack(long n) { return n; }'))
    options = [{f"V{number}": "x" * MEGABYTE for number in range(100)}]
    return cfiddle.run(built, "attack", cfiddle.arg_map(n=1), run_options=options)[0].return_value

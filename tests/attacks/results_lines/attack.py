"""Lines in place of the records of a run."""

import resource

from tests.attacks.student import Student

MOST = 640 << 20
LONGEST = 4 << 20


def result(value: bytes, table: bytes = b'["a"],[["1"]]') -> bytes:
    """A result of the only invocation."""
    return b'["result",0,' + table + b"," + value + b"]\n"


LINES = {
    "no number": (result(b"NaN"), "is not a number"),
    "an infinity": (result(b"-Infinity"), "is not a number"),
    "beyond all numbers": (result(b"1e999"), "is not a number"),
    "a number of megabytes": (result(b"9" * (LONGEST - 100)), "digits"),
    "a line without an end": (b'["r' + b"9" * (40 << 20), "a line of more than"),
    "a line cut off": (result(b"1")[:-1], "cut off"),
    "lists in lists": (b"[" * 1_000_000 + b"\n", "nested too deeply"),
    "empty lists": (result(b"1", b"[],[" + b"[]," * (LONGEST // 4) + b"[1]]"), "does not fit"),
    "many small rows": (
        (b'["rows",0,[null],[' + b"[0]," * 200_000 + b"[0]]]\n") * 20, "out of all proportion",
    ),
    "not UTF-8": (result(b'"\xff"'), "not UTF-8"),
    "half a character": (result(b'"\\ud800"'), "half a character"),
    "twice": (result(b"1") * 2, "twice"),
    "another invocation": (b'["result",1,[],[],1]\n', "was not sent"),
    "columns of one name": (result(b"1", b'["a","a"],[["1","2"]]'), "two columns of one name"),
    "a key twice": (result(b'{"bytes":"00","bytes":"01"}'), "stands for nothing"),
    "a list for a value": (result(b"[1]"), "not a result"),
    "a pickle": (b"cos\nsystem\n(S'touch executed'\ntR.\n", "not JSON"),
    "nothing": (b"", "not those of the 1 inv"),
}  # fmt: skip


def attack(student: Student) -> list[str]:
    """The lines that were not rejected by name, or took much memory."""
    wrong = []
    for what, (raw, sentence) in LINES.items():
        wrong += student.not_taken({what: raw}, sentence)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"at the most {peak >> 20} MiB")
    return wrong + ([f"{peak} bytes"] if peak > MOST else [])

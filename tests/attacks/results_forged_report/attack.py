"""Reports that no worker has written."""

import json
from typing import Any

import cfiddle_slurm
from tests.attacks.student import Student

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"
TERMINAL = "\x1b]0;title\x07\x1b[2J\x1b[31m\r\x9b2J\u202e"
KEYS = ("outcome", "guest", "measured", "versions", "node")
RAW = {
    "nothing": b"",
    "no JSON": b"{'a': 1}",
    "no object": b"[1]",
    "more than a report has": b'{"a": "' + b"x" * (2 << 20) + b'"}',
    "nested deeply": b'{"outcome":' * 5000,
    "a number of many digits": b'{"outcome": 1' + b"0" * 10_000 + b"}",
    "no number": b'{"outcome": {"kind": "ok"}, "measured": {"wall_seconds": NaN}}',
    "not UTF-8": b'{"node": "\xff"}',
}
STATUSES: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "an unknown kind": {"outcome": {"kind": "fine"}},
    "a kind of another type": {"outcome": {"kind": {"kind": "ok"}}},
    "lists for all": {key: [1] for key in KEYS},
    "numbers for all": dict.fromkeys(KEYS, 1e308),
    "markup": {
        "node": MARKUP,
        "container": MARKUP,
        "outcome": {"kind": "exited", "message": MARKUP, "code": 10**400},
        "guest": {"kernel": MARKUP, "perf": {"status": MARKUP, "detail": MARKUP}},
        "measured": {"wall_seconds": 1e308, "memory_peak_bytes": -(10**400)},
        "versions": {MARKUP: MARKUP},
    },
    "a terminal's commands": {
        "node": TERMINAL,
        "outcome": {"kind": "exited", "message": "text"},
        "guest": {"cpu_model": TERMINAL, "kernel": TERMINAL},
        "versions": {TERMINAL: TERMINAL},
    },
}
ENDINGS = ("ResultRejected", "ResultMissing", "Exited")


def attack(student: Student) -> list[str]:
    """The reports that were not taken for what they are, and what they would have shown."""
    wrong = []
    reports = {**RAW, **{what: json.dumps(said).encode() for what, said in STATUSES.items()}}
    for what, report in reports.items():
        said = student.forged(report)
        print(f"{what}: {said[:200]!r}")
        if said.partition(":")[0] not in ENDINGS:
            wrong.append(f"{what}: {said}")
        shown = cfiddle_slurm.last_report()
        page, lines = (shown._repr_html_(), str(shown)) if shown is not None else ("", "")
        if "<script" in page or "<img" in page:
            wrong.append(f"{what}: {page}")
        if not all(one.isprintable() or one == "\n" for one in page + lines):
            wrong.append(f"{what}: {lines!r}")
    return wrong

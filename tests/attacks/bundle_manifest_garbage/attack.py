"""Bundles whose manifest is none."""

import json
from typing import Any

from tests.attacks.student import Student, member

CHANGES: dict[str, dict[str, Any]] = {
    "a format of the future": {"format": 2},
    "an unknown field": {"more": 1},
    "an unknown kind": {"kind": "shell"},
    "a wrong type inside": {"outputs": [["*"]]},
    "nothing to execute": {"kind": "cfiddle", "entry": {}},
    "a group without an environment": {"entry": {"groups": [{"invocations": [0]}]}},
    "no word of what to import": {"entry": {"groups": [{"environment": {}, "invocations": [0]}]}},
}
RAW = {
    "lists in lists": b"[" * 1_000_000,
    "a field nested deeply": b'{"format": 1, "entry": ' + b'{"a":' * 100_000,
    "a number of many digits": b'{"format": 1' + b"0" * 10_000 + b"}",
    "twice the room": b" " * (32 << 20),
}


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    files = student.good_bundle()
    good = json.loads(files.pop("manifest.json"))
    ways = {
        what: student.pack({"manifest.json": json.dumps({**good, **change}).encode(), **files})
        for what, change in CHANGES.items()
    }
    ways |= {what: student.pack({"manifest.json": raw, **files}) for what, raw in RAW.items()}
    manifest = json.dumps(good).encode()
    ways["last"] = student.pack(files, member("manifest.json", manifest))
    ways["none"] = student.pack(files)
    return student.not_refused(ways)

"""Job directories whose request is none."""

import json
from pathlib import Path

from tests.attacks.student import Student

RAW = {
    "nothing": b"",
    "an empty object": b"{}",
    "no JSON": b"{" + bytes(range(256)),
    "a lot": b"{" + b" " * (8 << 20) + b"}",
    "nested deeply": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a number of many digits": b'{"protocol": 1' + b"0" * 20_000 + b"}",
    "no number": b'{"protocol": NaN}',
}
LINKS = ("/etc/shadow", "/proc/1/environ", "/", "/dev/zero")


def attack(student: Student) -> list[str]:
    """The requests that were not refused."""
    bundle = student.pack(student.good_bundle())

    def directory(raw: bytes) -> Path:
        folder = student.job_directory(bundle)
        (folder / "request.json").write_bytes(raw)
        return folder

    ways = {what: directory(raw) for what, raw in RAW.items()}
    for target in LINKS:
        folder = student.job_directory(bundle)
        (folder / "request.json").unlink()
        (folder / "request.json").symlink_to(target)
        ways[f"a link to {target}"] = folder
    # The client puts the job's true number first; of two, JSON takes the last.
    folder = student.job_directory(bundle)
    good = json.loads((folder / "request.json").read_text())
    (folder / "request.json").write_text(json.dumps({**good, "job_id": "1"}))
    wrong = student.not_refused({"a foreign job": folder}, "refused", sentence="^Job 1 ")
    return wrong + student.not_refused(ways, "refused", "unavailable")

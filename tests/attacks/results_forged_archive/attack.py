"""Result streams that no guest has sent."""

import gzip
import json
import tarfile
from pathlib import Path

from tests.attacks.student import END_OF_ARCHIVE, Student, member

REPORT = json.dumps({"protocol": 1, "outcome": {"kind": "ok"}, "guest": {}}).encode()
SYMBOLIC = member("outputs/out", kind=tarfile.SYMTYPE, link="..")
STREAMS = {
    "an absolute path": member("/tmp/executed", b"x"),
    "a way out": member("outputs/../../executed", b"x"),
    "a way out in an extended header": member("outputs/out", b"x", path="outputs/../../executed"),
    "a link and a file through it": SYMBOLIC + member("outputs/out/executed", b"x"),
    "a hard link": member("outputs/out", kind=tarfile.LNKTYPE, link="/etc/passwd"),
    "a device": member("outputs/out", kind=tarfile.CHRTYPE),
    "a file nobody asked for": member("outputs/executed", b"x"),
    "one beside outputs": member("executed", b"x"),
    "a good one, then a bad one": member("outputs/out", b"x") + member("outputs/executed", b"x"),
    "a good one twice": member("outputs/out", b"x") * 2,
    "records of no number": member("results/a", b"x"),
    "1 TiB": member("outputs/out", b"x", size=1 << 40),
    "a long extended header": member("outputs/out", b"x", comment="x" * (16 << 20)),
    "names in a row": member("a", b"b", kind=tarfile.GNUTYPE_LONGNAME) * 5000,
    "compressed": gzip.compress(member("outputs/out", bytes(50 << 20))),
    "no archive": bytes(range(256)) * 40,
    "one without an end": member("outputs/out", b"x" * 100_000)[:-50_000],
}


def attack(student: Student) -> list[str]:
    """The streams that were not rejected, and what was written because of them."""
    wrong = []
    for what, stream in STREAMS.items():
        said = student.forged(REPORT, stream + END_OF_ARCHIVE, output_files=["out*"])
        print(f"{what}: {said[:200]}")
        if not said.startswith("ResultRejected: The results were not accepted"):
            wrong.append(f"{what}: {said}")
    places = (student.folder, student.folder.parent, Path("/tmp"))
    wrong += [str(place) for place in places if (place / "executed").exists()]
    if (student.folder / "out").exists():
        wrong.append("A file of a stream that is not good was written.")
    return wrong

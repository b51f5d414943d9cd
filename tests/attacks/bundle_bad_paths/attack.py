"""Bundles whose members have names that lead out of the work directory."""

from tests.attacks.student import Student, member

NAMES = (
    "//etc/passwd",
    "../etc/passwd",
    "files/../../etc/passwd",
    "files/sub/../../../tmp/a",
    ".",
    "..",
)
MORE = ("../a", "/etc/cron.d/a", "files/\0/../../a")


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    ways = {repr(name): student.pack(good, member(name, b"x")) for name in NAMES}
    for name in MORE:
        ways[f"{name!r} in an extended header"] = student.pack(good, member("a", b"x", path=name))
    ways["a manifest elsewhere"] = student.pack(
        {f"files/../{name}": content for name, content in good.items()}
    )
    return student.not_refused(ways, sentence="stay inside its folder|is not a plain file")

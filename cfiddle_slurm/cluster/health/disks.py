"""The disks of a machine by what lies on them, and when one of them is too full."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_FREE = 1 << 30
LEAST_INODES = 10_000
LEAST_SHARE = 0.05
"""Of a disk so small that the others would be most of it."""

PLACES: Mapping[str, tuple[str, str]] = {
    "docker": ("Docker's folder", "`docker system df` there says what takes it"),
    "state": ("the volume cfiddle_state (service controller)", "without it nobody can submit"),
    "database": ("the volume cfiddle_database (service database)", "without it accounting ends"),
    "home": ("the volume cfiddle_home (all homes)", "without it nobody can work"),
}
"""What a disk is for, where that is, and what is to be known about it."""

# As the service itself sees its folder, for a volume may come from anywhere. A network file system
# that hangs must not hang this, too.
SCRIPT = """
of() {
    what=$1; shift
    timeout 10 "$@" -B1 --output=size,avail,itotal,iavail 2>/dev/null | sed -n "2s/^/$what /p"
}
in_service() {
    here=$(docker ps --quiet --filter="label=com.docker.swarm.service.name=cfiddle_$2" | head -n 1)
    [ -z "$here" ] || of "$1" docker exec "$here" df "$3"
}
of docker df "$(docker info --format='{{.DockerRootDir}}')"
in_service state controller /var/lib/slurm
in_service database database /var/lib/mysql
in_service home user /home
"""


@dataclass(frozen=True)
class Disk:
    """A disk, by what lies on it. Sizes in bytes; without inodes of a fixed number both are 0."""

    what: str
    size: int
    free: int
    inodes: int
    inodes_free: int

    @property
    def low(self) -> bool:
        """Whether there is too little room."""
        least = min(LEAST_FREE, LEAST_SHARE * self.size)
        least_inodes = min(LEAST_INODES, LEAST_SHARE * self.inodes)
        return self.free < least or (self.inodes > 0 and self.inodes_free < least_inodes)


def parse(text: str) -> list[Disk]:
    """Disks from the lines that :data:`SCRIPT` prints; what cannot be read is left out."""
    found = []
    for line in text.splitlines():
        what, *numbers = line.split()
        if what in PLACES and len(numbers) == 4 and numbers[0].isdecimal():
            # Some file systems have no number of inodes: "-" (df(1)).
            size, free, *inodes = (int(word) if word.isdecimal() else 0 for word in numbers)
            found.append(Disk(what, size, free, *inodes))
    return found


def size_text(size: int) -> str:
    """A size for people."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size / (1 << 10):.0f} KiB"


def in_words(rows: list[dict[str, Any]]) -> str:
    """A machine's disks in one line; what lies on the same one is named together."""
    together: dict[str, list[str]] = {}
    for row in rows:
        # By what is shown: they were looked at one after the other, while others write.
        key = f"{size_text(row['free'])} of {size_text(row['size'])}"
        together.setdefault(key, []).append(row["what"])
    return "; ".join(f"{', '.join(names)}: {free}" for free, names in together.items())


def trouble(machine: str, row: Mapping[str, Any]) -> str:
    """The sentence for a disk that is low."""
    place, note = PLACES[row["what"]]
    left = f"{size_text(row['free'])} of {size_text(row['size'])}"
    if row["inodes"]:
        left += f" and {row['inodes_free']} inodes"
    return f"{machine}: the disk of {place} is full, with {left} free: make room ({note})."

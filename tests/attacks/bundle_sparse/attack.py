"""Bundles whose members claim to be large."""

import tarfile

from tests.attacks.student import Student, member

HUGE = 10 << 30
_SIZE, _CHECKSUM, _MAP, _REAL = 124, 148, 386, 483


def changed(raw: bytes, at: int, field: bytes) -> bytes:
    """A member with some bytes of its header changed, and the checksum right again."""
    header = bytearray(raw)
    header[at : at + len(field)] = field
    header[_CHECKSUM : _CHECKSUM + 8] = b" " * 8
    total = sum(header[: tarfile.BLOCKSIZE])
    header[_CHECKSUM : _CHECKSUM + 8] = b"%06o\0 " % total
    return bytes(header)


def sparse_of_old() -> bytes:
    """GNU's first format: map and real size in the header itself."""
    raw = member("files/a", b"x" * 512, kind=tarfile.GNUTYPE_SPARSE)
    one_part = b"%011o\0%011o\0" % (HUGE - 512, 512)
    return changed(changed(raw, _MAP, one_part), _REAL, b"%011o\0" % HUGE)


def attack(student: Student) -> list[str]:
    """The bundles that were not refused."""
    good = student.good_bundle()
    huge = str(HUGE)
    block = b"1\n%d\n512\n" % (HUGE - 512)
    members = {
        "sparse, GNU's first format": sparse_of_old(),
        "sparse, format 0.0": member(
            "files/a", b"x", GNU_sparse_offset="0", GNU_sparse_numbytes="1", GNU_sparse_size=huge
        ),
        "sparse, format 0.1": member(
            "files/a", b"x", GNU_sparse_map=f"{HUGE - 1},1", GNU_sparse_size=huge
        ),
        "sparse, format 1.0": member(
            "files/a",
            block.ljust(512, b"\0") + b"x" * 512,
            GNU_sparse_major="1",
            GNU_sparse_minor="0",
            GNU_sparse_realsize=huge,
        ),
        "10 GiB in its header": member("files/a", b"x" * 512, size=HUGE),
        "nearly all that a number can be": member("files/a", size=(1 << 63) - 1),
        "less than nothing": changed(
            member("files/a"), _SIZE, b"\xff" + (-512).to_bytes(11, "big", signed=True)
        ),
    }
    ways = {what: student.pack(good, one) for what, one in members.items()}
    # As a whole: one that is unpacked until there is no room was taken for a file.
    return student.not_refused(ways, sentence="plain file|whole tar|unpacks to|negative size")

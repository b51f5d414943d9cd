"""Tar streams as nobody honest would write them."""

import io
import random
import tarfile
from collections.abc import Mapping, Sequence

from cfiddle_slurm.bundle.archive import Member, write_tar

END = bytes(2 * tarfile.BLOCKSIZE)
_CHECKSUM = slice(148, 156)
_SIZE = slice(124, 136)


def archive(files: Mapping[str, bytes]) -> bytes:
    """An honest archive of these files."""
    stream = io.BytesIO()
    write_tar(stream, [Member(path, content) for path, content in files.items()])
    return stream.getvalue()


def raw_member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
    size: int | None = None,
) -> bytes:
    """One member, whatever its name and kind; ``size`` is what its header claims."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.size = len(content) if size is None else size
    header = info.tobuf(tarfile.GNU_FORMAT)
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def member_of_negative_size(size: int) -> bytes:
    """A header that claims less than nothing, with a checksum that is right."""
    header = bytearray(raw_member("negative"))
    header[_SIZE] = b"\xff" + size.to_bytes(11, "big", signed=True)
    return checked(header)


def checked(header: bytearray) -> bytes:
    """A header with a checksum that is right."""
    header[_CHECKSUM] = b" " * 8
    header[_CHECKSUM] = b"%06o\0 " % sum(header[: tarfile.BLOCKSIZE])
    return bytes(header)


def pax_member(name: str, headers: dict[str, str]) -> bytes:
    """An empty member whose extended header says more than its header."""
    info = tarfile.TarInfo(name)
    info.pax_headers = headers
    return info.tobuf(tarfile.PAX_FORMAT)


def long_name(name: str) -> bytes:
    """An empty member whose name is in a header of its own."""
    content = name.encode() + b"\0"
    return raw_member("././@LongLink", content, kind=tarfile.GNUTYPE_LONGNAME) + raw_member("a")


def damaged(raw: bytes, headers: Sequence[int], seed: int) -> bytes:
    """An archive with some bytes of its headers changed, and their checksums right again."""
    chance = random.Random(seed)
    changed = bytearray(raw)
    for start in headers:
        for _ in range(chance.randrange(4)):
            changed[start + chance.randrange(500)] = chance.choice(b"\0\x31\x4c\x78\x80\xff")
        header = changed[start : start + tarfile.BLOCKSIZE]
        changed[start : start + tarfile.BLOCKSIZE] = checked(header)
    return bytes(changed)


def no_plain_files(folder: str) -> dict[str, bytes]:
    """Members below a folder that are of any kind but a plain file's."""
    name = f"{folder}/a"
    return {
        "a symbolic link": raw_member(name, kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "a hard link": raw_member(name, kind=tarfile.LNKTYPE, link="manifest.json"),
        "a character device": raw_member(name, kind=tarfile.CHRTYPE),
        "a block device": raw_member(name, kind=tarfile.BLKTYPE),
        "a FIFO": raw_member(name, kind=tarfile.FIFOTYPE),
        "a folder": raw_member(name, kind=tarfile.DIRTYPE),
        "a contiguous file": raw_member(name, kind=tarfile.CONTTYPE),
        "a sparse file": raw_member(name, kind=tarfile.GNUTYPE_SPARSE),
        "an unknown kind": raw_member(name, kind=b"Z"),
        "a sparse file of the newer format": pax_member(
            name, {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"}
        ),
        "a sparse file of the newest format": pax_member(
            name, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        ),
    }


def bad_names(folder: str) -> dict[str, bytes]:
    """Plain files that would not stay below a folder, or not be seen there as they are."""
    return {
        "an absolute path": raw_member("/etc/passwd"),
        "a way out": raw_member(f"{folder}/../../a"),
        "the folder itself": raw_member("."),
        "a control character": raw_member(f"{folder}/\x1b[2Ja"),
        "a line break": raw_member(f"{folder}/a\nb"),
        "a way out in a long name": long_name(f"{folder}/../../a"),
        "an absolute long name": long_name("/etc/passwd"),
        "a way out in an extended header": pax_member(f"{folder}/a", {"path": "../a"}),
        "a zero byte in an extended header": pax_member(f"{folder}/a", {"path": "a\0b"}),
        "an absolute sparse name": pax_member(f"{folder}/a", {"GNU.sparse.name": "/etc/passwd"}),
    }


NO_PLAIN_FILES, BAD_NAMES = no_plain_files("files"), bad_names("files")
HOSTILE = {**NO_PLAIN_FILES, **BAD_NAMES}

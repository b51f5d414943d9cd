"""Tar streams: written and read a chunk at a time, and believed in nothing.

A gigabyte costs no memory. Standard library only: the same code runs in the notebook and inside
the container.
"""

import contextlib
import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

CHUNK = 1 << 20
MAX_MEMBERS = 100_000
MAX_PATH, MAX_DEPTH = 4095, 255
_PLAIN_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_MAX_LONG_NAME = 1 << 16


class BundleError(Exception):
    """A bundle or a result stream is not what it should be; the message is one sentence."""


class Member(NamedTuple):  # no dataclass: the guest would pay for the import with every run
    """One file of a tar stream: its path there, and where its bytes come from."""

    path: str
    source: Path | bytes


def safe_path(name: str) -> str:
    """The normal form of a relative path from a stream that nobody vouches for.

    Raises:
        BundleError: the path is absolute, leaves its folder, or holds control characters.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or name.startswith("/") or ".." in parts:
        raise BundleError(f"The path {name!r} does not stay inside its folder.")
    if any(ord(one) < 32 or 127 <= ord(one) < 160 for one in name):
        raise BundleError(f"The path {name!r} holds a control character.")
    if len(name) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise BundleError(f"The path {name[:40]!r}… is too long.")
    return "/".join(parts)


def write_tar(stream: BinaryIO, members: Iterable[Member]) -> None:
    """Write members to a tar stream, files a chunk at a time.

    Raises:
        BundleError: a file vanished, shrank, or is not a regular file.
        OSError: a file cannot be read, or the stream cannot be written.
    """
    # GNU format: no time stamps or owners of the notebook's machine in extension headers.
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, bufsize=CHUNK) as tar:
        for member in members:
            _add(tar, member)


def _add(tar: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.path)
    if isinstance(member.source, bytes):
        info.size, info.mode = len(member.source), 0o644
        tar.addfile(info, io.BytesIO(member.source))
        return
    with open_regular(member.source) as source:
        status = os.fstat(source.fileno())
        info.size, info.mode = status.st_size, status.st_mode & 0o755
        info.mtime = int(status.st_mtime)
        try:
            tar.addfile(info, source)
        except OSError as error:
            if "unexpected end of data" in str(error):
                raise BundleError(f"The file {member.path!r} shrank while it was read.") from error
            raise


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; refuse devices and FIFOs, which could block for ever.

    Raises:
        BundleError: it is not a regular file.
        OSError: it cannot be opened.
    """
    # O_NONBLOCK makes the opening of a FIFO return at once; regular files ignore it (open(2)).
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleError(f"{str(path)!r} is not a regular file.")
    return os.fdopen(descriptor, "rb")


class _Header(tarfile.TarInfo):
    """A header of a kind that :func:`write_tar` writes, after which only an empty block is the end.

    tarfile itself takes a damaged header, or none at all, for the end. And the headers that it
    would read besides, with a table of anything in them, or of the holes of a file, may take much
    more memory and time than they have bytes; they are known by their type before they are read.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> "_Header":
        """Read on, as a header's type demands it: the one step that each header comes through."""
        # The type is compared, not asked: isreg() takes a sparse file for a plain one.
        if self.type not in (*_PLAIN_TYPES, tarfile.GNUTYPE_LONGNAME):
            raise BundleError(f"{self.name!r} is not a plain file.")
        if self.size < 0:
            raise BundleError(f"{self.name!r} has a negative size.")
        if self.type == tarfile.GNUTYPE_LONGNAME and self.size > _MAX_LONG_NAME:
            raise BundleError(f"A name of {self.size} bytes is too long.")
        found: _Header = super()._proc_member(archive)  # type: ignore[misc]
        return found

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Content(io.RawIOBase):
    """A member's content, whose errors are BundleErrors wherever it is read."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._content.readinto(buffer))
        except tarfile.TarError as error:
            raise BundleError(f"The stream is not a whole tar archive ({error}).") from error


def read_tar(
    stream: BinaryIO, *, max_bytes: int
) -> Iterator[tuple[str, tarfile.TarInfo, BinaryIO]]:
    """The members of a tar stream that nobody vouches for: plain files only, each name once.

    Yields:
        The safe path, the header, and the content, which is valid until the next step.

    Raises:
        BundleError: the stream is broken, too long, or holds anything but plain files.
    """
    seen: set[str] = set()
    total = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK, tarinfo=_Header) as tar:
            for info in tar:
                if info.type not in _PLAIN_TYPES or info.size < 0:
                    raise BundleError(f"{info.name!r} is not a plain file.")
                name = safe_path(info.name)
                if name in seen:
                    raise BundleError(f"The file {name!r} comes twice.")
                seen.add(name)
                total += info.size
                if total > max_bytes or len(seen) > MAX_MEMBERS:
                    raise BundleError(
                        f"The stream unpacks to more than {max_bytes} bytes or {MAX_MEMBERS} files."
                    )
                content = tar.extractfile(info)
                if content is None:
                    raise BundleError(f"{info.name!r} has no content.")
                yield name, info, io.BufferedReader(_Content(content))
                # A stream reader keeps every header it has seen; a run may have many.
                tar.members = []  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise BundleError(f"The stream is not a whole tar archive ({error}).") from error


def write_below(directory: Path, name: str, content: BinaryIO, *, mode: int = 0o644) -> Path:
    """Write a file below a directory without following any link below it, replacing atomically.

    Args:
        directory: an existing directory.
        name: a path from :func:`safe_path`.
        content: read to its end, a chunk at a time.
        mode: permission bits of the new file (the umask applies).

    Raises:
        BundleError: a part of the path is a link or no directory.
        OSError: it cannot be written: no permission, a full disk, a directory in its place.
    """
    *folders, last = name.split("/")
    with contextlib.ExitStack() as stack:
        here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, here)
        for folder in folders:
            here = _enter(here, folder, name)
            stack.callback(os.close, here)
        _replace(here, last, content, mode)
    return directory / name


def _enter(parent: int, folder: str, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, dir_fd=parent)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(folder, flags, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise  # the folder's owner is to blame, not the path
        raise BundleError(f"{folder!r} in the path {name!r} is not a directory.") from error


def _replace(parent: int, last: str, content: BinaryIO, mode: int) -> None:
    temporary = f".{os.urandom(8).hex()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, mode, dir_fd=parent), "wb") as target:
            while chunk := content.read(CHUNK):
                target.write(chunk)
        os.rename(temporary, last, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        raise

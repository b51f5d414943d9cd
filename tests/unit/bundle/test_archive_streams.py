"""Tar streams: honest ones arrive as they left, all others end in a sentence."""

import gc
import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle import archive as module
from cfiddle_slurm.bundle import manifest
from cfiddle_slurm.bundle.archive import BundleError, Member, read_tar, write_tar
from cfiddle_slurm.bundle.layout import MANIFEST
from cfiddle_slurm.bundle.manifest import Manifest, unpack_bundle
from tests.unit.forged_archives import (
    BAD_NAMES,
    END,
    HOSTILE,
    NO_PLAIN_FILES,
    archive,
    checked,
    damaged,
    member_of_negative_size,
    pax_member,
    raw_member,
)

ROOM = 1 << 20
PARTS = st.text(
    st.characters(exclude_characters="/", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60
).filter(lambda part: part not in (".", "..") and len(part.encode()) <= 200)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=2000), max_size=5)
HEAD = Manifest("0" * 16, "call")


def contents(raw: bytes, max_bytes: int = ROOM) -> dict[str, bytes]:
    return {
        name: content.read() for name, _, content in read_tar(io.BytesIO(raw), max_bytes=max_bytes)
    }


def packed(*members: Member) -> bytes:
    stream = io.BytesIO()
    write_tar(stream, members)
    return stream.getvalue()


@given(FILES)
def test_a_stream_arrives_as_it_left(files: dict[str, bytes]) -> None:
    found = contents(archive(files))
    assert found == files
    assert list(found) == list(files)


def has_no_conflict(files: dict[str, bytes]) -> bool:
    return not any(other.startswith(f"{path}/") for path in files for other in files)


@given(FILES.filter(has_no_conflict), st.sampled_from([0o644, 0o755, 0o400, 0o4777]))
def test_a_bundle_of_files_arrives_as_it_left(files: dict[str, bytes], mode: int) -> None:
    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        members = [Member(MANIFEST, HEAD.to_bytes())]
        for number, (path, content) in enumerate(files.items()):
            source = Path(here, str(number))
            source.write_bytes(content)
            source.chmod(mode)
            members.append(Member(f"files/{path}", source))
        raw = io.BytesIO(packed(*members))
        assert unpack_bundle(raw, Path(there), max_bytes=ROOM) == HEAD
        for path, content in files.items():
            arrived = Path(there, "files", path)
            assert arrived.read_bytes() == content
            # Nobody but the owner reads it, whoever could on the way.
            assert arrived.stat().st_mode & 0o7777 == 0o600 | (mode & 0o100)
        found = [path for path in Path(there).rglob("*") if path.is_file()]
        assert len(found) == len(files)


def test_nothing_of_the_owner_travels(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"x")
    source.chmod(0o4777)
    with tarfile.open(fileobj=io.BytesIO(packed(Member("a", source)))) as tar:
        info = tar.getmembers()[0]
    assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
    assert info.mode == 0o755


class Zeros:
    """A long stream that does not exist, and counts the longest piece asked of it."""

    def __init__(self, head: bytes, length: int) -> None:
        self._head = io.BytesIO(head)
        self.left = length
        self.longest = 0

    def read(self, size: int = -1) -> bytes:
        self.longest = max(self.longest, size)
        head = self._head.read(size)
        count = min(size - len(head), self.left)
        self.left -= count
        return head + bytes(count)


def test_a_long_file_is_read_in_pieces() -> None:
    length = 40 << 20
    stream = Zeros(raw_member("a", size=length), length + len(END))
    read = 0
    for _, info, content in read_tar(cast(BinaryIO, stream), max_bytes=length):
        assert info.size == length
        while piece := content.read(module.CHUNK):
            read += len(piece)
    assert (read, stream.longest) == (length, module.CHUNK)


def test_headers_of_many_files_are_not_kept() -> None:
    raw = io.BytesIO(archive({str(number): b"" for number in range(300)}))
    gc.collect()
    for name, _, _ in read_tar(raw, max_bytes=0):
        if name == "299":
            kept = sum(isinstance(each, tarfile.TarInfo) for each in gc.get_objects())
    assert kept < 10


class Resizes(io.BytesIO):
    """An archive that changes the length of a file while that is read into it."""

    def __init__(self, source: Path, length: int) -> None:
        super().__init__()
        self._source, self._length = source, length

    def write(self, data: Any, /) -> int:
        os.truncate(self._source, self._length)
        return super().write(data)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    source, length = tmp_path / "a", 3 * module.CHUNK
    source.write_bytes(bytes(length))
    with pytest.raises(BundleError, match="'a' shrank"):
        write_tar(Resizes(source, 10), [Member("a", source)])
    source.write_bytes(bytes(length))
    grown = Resizes(source, 3 * length)
    write_tar(grown, [Member("a", source)])
    assert contents(grown.getvalue(), length) == {"a": bytes(length)}


def test_what_is_no_regular_file_does_not_travel(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(BundleError, match="is not a regular file"):
            packed(Member("a", source))
    with pytest.raises(FileNotFoundError):
        packed(Member("a", tmp_path / "none"))
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"x")
    assert contents(packed(Member("a", tmp_path / "link"))) == {"a": b"x"}


def test_a_full_disk_is_no_fault_of_the_file(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(bytes(2 * module.CHUNK))
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space left"),
    ):
        write_tar(full, [Member("a", source)])


@pytest.mark.parametrize("what", NO_PLAIN_FILES)
def test_only_plain_files_are_read(what: str) -> None:
    with pytest.raises(BundleError, match=r"is not a plain file|not a whole tar archive"):
        contents(raw_member("before", b"x") + NO_PLAIN_FILES[what] + END)


@pytest.mark.parametrize("what", BAD_NAMES)
def test_only_safe_names_are_read(what: str) -> None:
    with pytest.raises(BundleError, match=r"does not stay inside|control character|plain file"):
        contents(BAD_NAMES[what] + END)


def test_headers_that_are_never_written_are_not_read_either() -> None:
    everywhere = tarfile.TarInfo.create_pax_global_header({"comment": "x"})
    for headers in (everywhere, pax_member("a", {"comment": "x"}), pax_member("a", {"size": "1"})):
        with pytest.raises(BundleError, match="is not a plain file"):
            contents(headers + raw_member("a") + END)


def test_a_sparse_file_whose_map_is_cut_off_is_refused_as_any_other() -> None:
    header = bytearray(raw_member("a", kind=tarfile.GNUTYPE_SPARSE))
    header[482] = 1  # its map goes on in a block that does not come
    with pytest.raises(BundleError, match="is not a plain file"):
        contents(checked(header))


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
def test_no_header_that_is_longer_than_any_path_is_read_into_memory(kind: bytes) -> None:
    length = 1 << 30
    stream = Zeros(raw_member("x", kind=kind, size=length), length)
    with pytest.raises(BundleError, match=r"is too long|is not a plain file"):
        next(read_tar(cast(BinaryIO, stream), max_bytes=ROOM))
    assert stream.left > length - 4 * module.CHUNK


@pytest.mark.parametrize("again", ["a/b", "a//b", "./a/b", "a/./b"])
def test_a_name_comes_once_however_it_is_written(again: str) -> None:
    with pytest.raises(BundleError, match="'a/b' comes twice"):
        contents(raw_member("a/b") + raw_member(again) + END)


def test_there_is_an_end_to_bytes_and_to_files(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = archive({"a": bytes(600), "b": bytes(400)})
    assert len(contents(raw, 1000)) == 2
    with pytest.raises(BundleError, match="more than 999 bytes"):
        contents(raw, 999)
    with pytest.raises(BundleError, match="more than"):
        contents(raw_member("a", size=1 << 80) + END)
    monkeypatch.setattr(module, "MAX_MEMBERS", 1)
    with pytest.raises(BundleError, match="or 1 files"):
        contents(raw)


@pytest.mark.parametrize("size", [-1, -511, -512, -10_000])
def test_no_member_makes_room_for_others(size: int) -> None:
    with pytest.raises(BundleError):
        contents(raw_member("a") + member_of_negative_size(size) + raw_member("b") + END)
    with pytest.raises(BundleError):
        contents(pax_member("a", {"size": str(size)}) + END)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_chain_of_headers_is_a_broken_stream(kind: bytes) -> None:
    # Each of them is read inside the reading of the one before.
    header = raw_member("header", b"a\0" if kind == tarfile.GNUTYPE_LONGNAME else b"", kind=kind)
    with pytest.raises(BundleError):
        contents(header * 3000 + raw_member("a") + END)


WHOLE = archive({"a": b"x" * 1000, "b": b"y" * 1000})
AFTER_FIRST, AFTER_SECOND = 1536, 3072


@pytest.mark.parametrize("cut", [0, 100, 511])
def test_a_stream_cut_in_its_first_header_is_refused(cut: int) -> None:
    with pytest.raises(BundleError, match="not a whole tar archive"):
        contents(WHOLE[:cut])


@pytest.mark.parametrize("cut", [512, 600, 1400, 2048, 2100, 3047])
def test_a_stream_cut_in_a_file_is_refused(cut: int) -> None:
    with pytest.raises(BundleError):
        contents(WHOLE[:cut])


@pytest.mark.parametrize("cut", [AFTER_FIRST, AFTER_FIRST + 1, 2000, AFTER_SECOND])
def test_a_stream_cut_between_two_files_is_refused(cut: int) -> None:
    # Half an archive looks like a whole one, but for the two empty blocks at its end.
    with pytest.raises(BundleError):
        contents(WHOLE[:cut])


def test_a_damaged_header_is_not_the_end() -> None:
    damaged = bytearray(WHOLE)
    damaged[AFTER_FIRST] ^= 1
    with pytest.raises(BundleError):
        contents(bytes(damaged))


@given(
    st.binary(max_size=2000)
    | st.integers().map(lambda seed: damaged(WHOLE, (0, AFTER_FIRST), seed))
)
def test_any_bytes_are_files_or_a_sentence(raw: bytes) -> None:
    try:
        for name in contents(raw):
            assert module.safe_path(name) == name
    except BundleError as error:
        assert str(error).endswith(".")


def bundle_of(*members: bytes) -> io.BytesIO:
    return io.BytesIO(raw_member(MANIFEST, HEAD.to_bytes()) + b"".join(members) + END)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_bundle_writes_nothing(what: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(BundleError):
        unpack_bundle(bundle_of(HOSTILE[what]), inside, max_bytes=ROOM)
    assert [path for path in tmp_path.rglob("*") if path != inside] == []


def test_a_bundle_begins_with_its_manifest(tmp_path: Path) -> None:
    for raw in (
        raw_member("a") + raw_member(MANIFEST, HEAD.to_bytes()),
        raw_member(MANIFEST, size=manifest.MAX_MANIFEST + 1),
    ):
        with pytest.raises(BundleError, match="does not begin with its manifest"):
            unpack_bundle(io.BytesIO(raw + END), tmp_path, max_bytes=1 << 30)
    with pytest.raises(BundleError, match="empty"):
        unpack_bundle(io.BytesIO(END), tmp_path, max_bytes=ROOM)
    with pytest.raises(BundleError, match="not JSON"):
        unpack_bundle(io.BytesIO(raw_member(MANIFEST, b"{") + END), tmp_path, max_bytes=ROOM)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_read_to_its_end_before_anything_is_executed(tmp_path: Path) -> None:
    whole = raw_member(MANIFEST, HEAD.to_bytes()) + END
    stream = io.BytesIO(whole + bytes(3 * module.CHUNK))
    assert unpack_bundle(stream, tmp_path, max_bytes=ROOM) == HEAD
    assert stream.read() == b""
    with pytest.raises(BundleError, match="goes on after its end"):
        unpack_bundle(io.BytesIO(whole + b"x" * 3 * module.CHUNK), tmp_path, max_bytes=ROOM)


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    raw = bundle_of(raw_member("a", b"x"), raw_member("a/b"))
    with pytest.raises(BundleError, match="is not a directory"):
        unpack_bundle(raw, tmp_path, max_bytes=ROOM)

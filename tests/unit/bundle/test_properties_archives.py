"""Any archive: what is in it ends up strictly below its folder, or is refused."""

import errno
import io
import os
import tarfile
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.bundle.archive import BundleError, read_tar, safe_path
from cfiddle_slurm.bundle.globs import matches
from cfiddle_slurm.bundle.layout import MANIFEST
from cfiddle_slurm.bundle.manifest import Manifest, unpack_bundle
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.obeyed import is_obeyed_file
from cfiddle_slurm.results.collect import collect
from tests.unit.forged_archives import END, HOSTILE, checked, long_name, raw_member
from tests.unit.forged_pickles import pickled
from tests.unit.places import Place

ROOM = 1 << 20
NAMES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", "out", "é", "n" * 300, "\udcff"]),
    min_size=1,
    max_size=4,
).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 8
    + [tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE,
       tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME]
)  # fmt: skip
CONTENTS = st.binary(max_size=30)


def shortened(name: str) -> str:
    """As much of a name as a header has room for."""
    return os.fsencode(name)[:99].decode(errors="ignore") or "a"


PLAIN = st.builds(
    lambda folder, name, content, kind: raw_member(
        shortened(folder + name), content, kind=kind, link="/etc/passwd"
    ),
    st.sampled_from(["", "files/", "outputs/", "/"]),
    NAMES,
    CONTENTS,
    KINDS,
)
LONG = NAMES.map(lambda name: long_name("outputs/" + name.encode(errors="replace").decode()))
MEMBERS = PLAIN | LONG | st.sampled_from(sorted(HOSTILE.values()))
CHANGES = st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=3)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Members of any kind, some with headers that were changed and whose checksums are right."""
    raw = b""
    for member in draw(st.lists(MEMBERS, max_size=4)):
        head = bytearray(member[: tarfile.BLOCKSIZE])
        changes = draw(CHANGES)
        for place, value in changes:
            head[place] = value
        raw += (checked(head) if changes else bytes(head)) + member[tarfile.BLOCKSIZE :]
    return raw + draw(st.sampled_from([END, END, END, b"", bytes(512), b"x" * 700]))


@settings(max_examples=80)
@given(archives())
def test_any_bundle_is_unpacked_below_its_folder_or_refused(raw: bytes) -> None:
    head = raw_member(MANIFEST, Manifest("0" * 16, "call").to_bytes())
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for bundle in (head + raw, raw):
            try:
                unpack_bundle(io.BytesIO(bundle), place.inside, max_bytes=ROOM)
            except BundleError as error:
                assert str(error).endswith(".")
            except OSError as error:  # a name too long, a folder in the place of a file
                assert error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR)
            place.check()


@settings(max_examples=80)
@given(archives(), st.sampled_from([("**",), ("a/*",), ()]))
def test_any_result_stream_is_brought_home_or_nothing_is_written(
    raw: bytes, outputs: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        place.archive.write_bytes(raw_member("results/0", pickled(("value", 1))) + raw)
        try:
            collect(place.archive, place.inside, outputs=outputs)
        except ResultRejected as error:
            assert error.message.startswith(("The results were not", "The results could not"))
            if not isinstance(error.__cause__, OSError) and "not a directory" not in error.message:
                assert os.listdir(place.inside) == ["a"]
        place.check()
        for one in place.inside.rglob("*"):
            name = one.relative_to(place.inside).as_posix()
            assert one.is_dir() or matches(name, outputs)


@given(st.binary(max_size=1500) | archives())
def test_any_stream_has_safe_names_and_no_more_bytes_than_allowed(raw: bytes) -> None:
    total, names = 0, set()
    try:
        for name, info, content in read_tar(io.BytesIO(raw), max_bytes=50):
            assert safe_path(name) == name and name not in names
            names.add(name)
            read = content.read()
            assert len(read) == info.size
            total += len(read)
    except BundleError as error:
        assert str(error).endswith(".")
    assert total <= 50


@given(st.text() | NAMES)
def test_any_safe_path_is_below_its_folder(name: str) -> None:
    try:
        safe = safe_path(name)
    except BundleError as error:
        assert str(error).startswith("The path") and str(error).isprintable()
        return
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{safe}"
    assert not any(part in ("", ".", "..") for part in safe.split("/"))
    assert "\0" not in safe


_WILDCARD = set("*?[")


@given(NAMES, st.lists(st.sampled_from(["**", "*", "a", "?", "[ab]", "..", "["]), max_size=4))
def test_any_pattern_can_be_tried_on_any_path(name: str, parts: list[str]) -> None:
    try:
        path, pattern = safe_path(name), safe_path("/".join(parts))
    except BundleError:
        return
    assert matches(path, ["**"]) is not is_obeyed_file(path)
    assert matches(path, [path]) or _WILDCARD & set(path)
    assert matches(path, [pattern]) in (True, False)
    assert matches(path, [f"**/{pattern}"]) or not matches(path, [pattern])

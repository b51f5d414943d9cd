"""Manifests, paths and globs, and files that are written where a stream says."""

import io
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle import archive, manifest
from cfiddle_slurm.bundle.archive import BundleError
from cfiddle_slurm.bundle.manifest import FORMAT, Manifest

TEXTS = st.dictionaries(st.text(), st.text(), max_size=3)
VARIABLES = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="=\0"), min_size=1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=3,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MANIFEST = json.loads(Manifest("0" * 16, "call").to_bytes())


@given(
    st.builds(
        Manifest,
        run_id=st.text(),
        kind=st.text(),
        entry=st.dictionaries(st.text(), JSON, max_size=3),
        outputs=st.lists(st.text(), max_size=3).map(tuple),
        environment=VARIABLES,
        versions=TEXTS,
        format=st.just(FORMAT),
    )
)
def test_a_manifest_arrives_as_it_left(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_no_manifest_and_a_sentence_says_so(raw: bytes) -> None:
    with pytest.raises(BundleError, match=r"^The bundle's manifest .*\.$"):
        Manifest.from_bytes(raw)


@given(st.dictionaries(st.sampled_from(sorted(MANIFEST)), JSON, max_size=3))
def test_a_manifest_of_any_fields_is_whole_or_refused(fields: dict[str, Any]) -> None:
    try:
        read = Manifest.from_bytes(json.dumps({**MANIFEST, **fields}).encode())
    except BundleError:
        return
    texts = [read.run_id, read.kind, *read.outputs]
    texts += [*read.environment.values(), *read.versions.values()]
    assert all(type(text) is str for text in texts)
    assert type(read.entry) is dict and read.format == manifest.FORMAT


@pytest.mark.parametrize(
    "change",
    [
        {"format": manifest.FORMAT + 1},
        {"format": None},
        {"run_id": 5},
        {"kind": None},
        {"entry": []},
        {"outputs": "*.txt"},
        {"outputs": ["*.txt", 5]},
        {"environment": {"PATH": None}},
        {"environment": {"": "x"}},
        {"environment": {"A=B": "x"}},
        {"environment": {"A": "x\0y"}},
        {"environment": {"A": "\ud800"}},
        {"versions": {"python": 3.11}},
        {"more": 1},
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="manifest"):
        Manifest.from_bytes(json.dumps({**MANIFEST, **change}).encode())


def test_a_missing_field_and_endless_nesting_are_refused() -> None:
    for name in MANIFEST:
        without = {key: value for key, value in MANIFEST.items() if key != name}
        with pytest.raises(BundleError):
            Manifest.from_bytes(json.dumps(without).encode())
    with pytest.raises(BundleError, match="not JSON"):
        Manifest.from_bytes(b"[" * 100_000)


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a", "a"), ("./a//b/.", "a/b"), ("a/", "a"), ("a b\\ü", "a b\\ü"), ("..a/b..", "..a/b..")],
)
def test_paths_in_their_normal_form(name: str, safe: str) -> None:
    assert archive.safe_path(name) == safe


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/",
        "./.",
        "/a",
        "//a",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a\0",
        "a\nb",
        "\x1b",
        "\x7f",
    ],
)
def test_paths_that_do_not_stay_inside(name: str) -> None:
    with pytest.raises(BundleError, match=r"does not stay inside|control character"):
        archive.safe_path(name)


@pytest.mark.parametrize("name", ["n/" * 3000 + "n", "n" * 5000])
def test_a_path_longer_than_any_that_can_be_opened_is_refused(name: str) -> None:
    with pytest.raises(BundleError):
        archive.safe_path(name)


@given(st.text(alphabet="ab./\0\n", max_size=12))
def test_a_safe_path_is_its_own_normal_form_and_never_leaves(name: str) -> None:
    try:
        safe = archive.safe_path(name)
    except BundleError:
        return
    assert archive.safe_path(safe) == safe
    assert os.path.normpath(f"/root/{name}") == f"/root/{safe}"


def test_no_secret_travels_in_the_environment() -> None:
    environment = {
        "CFIDDLE_DEBUG": "1", "CFIDDLE": "2", "CFIDDLE_SLURM_PARTITION": "p", "CFIDDLE_SLURM": "x",
        "AWS_SECRET_ACCESS_KEY": "s", "MY_CFIDDLE": "y", "PATH": "/bin",
    }  # fmt: skip
    assert manifest.environment_to_travel(environment) == {"CFIDDLE_DEBUG": "1", "CFIDDLE": "2"}


def write(directory: Path, name: str, content: bytes = b"new", mode: int = 0o644) -> Path:
    return archive.write_below(directory, name, io.BytesIO(content), mode=mode)


def test_a_file_is_written_below_and_replaced_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "a/b/c", b"old", mode=0o755)
    held = path.open("rb")
    assert write(tmp_path, "a/b/c", b"x" * (archive.CHUNK + 1)) == path
    with held:
        assert held.read() == b"old"
    assert path.stat().st_size == archive.CHUNK + 1
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0
    assert os.listdir(path.parent) == ["c"]


def test_a_link_in_the_way_is_refused(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "dangling").symlink_to(outside / "none")
    (inside / "file").touch()
    for folder in ("link", "dangling", "file"):
        with pytest.raises(BundleError, match=f"'{folder}' in the path .* is not a directory"):
            write(inside, f"{folder}/a")
    assert list(outside.iterdir()) == []


def test_a_link_at_the_end_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "a").symlink_to(outside)
    assert not write(tmp_path, "a").is_symlink()
    assert outside.read_bytes() == b"precious"


class Breaks(io.BytesIO):
    """Content that is read in pieces, of which the second cannot be read."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and 0 < size <= archive.CHUNK
        if self.tell():
            raise OSError("the stream is broken")
        return super().read(size)


def test_a_broken_content_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OSError, match="broken"):
        archive.write_below(tmp_path, "a", cast(BinaryIO, Breaks(bytes(2 * archive.CHUNK))))
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(["file", "folder", "out", "out/file", "..", "/", "none", "a", "loop"])


def plant(directory: Path, tree: Iterable[tuple[str, str]]) -> None:
    """Files, folders and links; what cannot be planted, since a file is in the way, is not."""
    for name, kind in tree:
        path = directory / name
        if any(part.is_symlink() or part.is_file() for part in (path, *path.parents)):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "folder":
            path.mkdir(exist_ok=True)
        elif kind == "file" and not path.exists():
            path.write_bytes(b"old")
        elif not path.exists():
            target = {"out": directory.parent / "out", "out/file": directory.parent / "out/file"}
            path.symlink_to(target.get(kind, path if kind == "loop" else Path(kind)))


@given(st.lists(st.tuples(NAMES, KINDS), max_size=6), NAMES | st.text("abc./", max_size=9))
def test_nothing_is_ever_written_outside(tree: list[tuple[str, str]], name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory, out = Path(place, "in"), Path(place, "out")
        directory.mkdir()
        out.mkdir()
        (out / "file").write_bytes(b"precious")
        plant(directory, tree)
        root = sorted(os.listdir("/"))
        try:
            path = write(directory, archive.safe_path(name))
        except (BundleError, IsADirectoryError):
            path = None
        assert sorted(os.listdir(place)) == ["in", "out"] and sorted(os.listdir("/")) == root
        assert os.listdir(out) == ["file"] and (out / "file").read_bytes() == b"precious"
        if path is not None:
            assert path.resolve().is_relative_to(directory.resolve())
            assert path.read_bytes() == b"new"

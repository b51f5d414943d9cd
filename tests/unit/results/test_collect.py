"""Results come home whole and only where they belong, or not at all."""

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.bundle.layout import HOME_ERRORS
from cfiddle_slurm.errors import HomeUnwritable, InputError, ResultMissing, ResultRejected
from cfiddle_slurm.results import collect as collecting
from cfiddle_slurm.results.collect import collect
from cfiddle_slurm.results.records import Records
from tests.unit.forged_archives import (
    END,
    HOSTILE,
    archive,
    bad_names,
    no_plain_files,
    raw_member,
)
from tests.unit.forged_pickles import NAMES, pickled, record

VALUE = pickled(("value", 7))


class Home:
    """A working directory, and beside it a result stream and what must stay as it is."""

    def __init__(self, place: Path) -> None:
        self.place = place / "home"
        self.place.mkdir()
        self.precious = place / "precious"
        self.precious.mkdir()
        (self.precious / "file").write_bytes(b"precious")
        self._archive = place / "result.tar"

    def receives(self, raw: bytes, outputs: Collection[str] = ("**",)) -> Records:
        self._archive.write_bytes(raw)
        return collect(self._archive, self.place, outputs=outputs)

    def refuses(self, raw: bytes, outputs: Collection[str] = ("**",)) -> str:
        with pytest.raises(ResultRejected) as caught:
            self.receives(raw, outputs)
        assert os.listdir(self.precious) == ["file"]
        assert (self.precious / "file").read_bytes() == b"precious"
        return caught.value.message

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.place).as_posix(): path.read_bytes()
            for path in self.place.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_run_that_had_no_results_yet_has_none(tmp_path: Path) -> None:
    found = collect(tmp_path / "none.tar", tmp_path, outputs=["**"])
    assert found == Records(results=[], values=[])


def test_what_runs_by_itself_comes_home_only_by_its_name_and_is_told_of(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = archive({"results/0": VALUE, "outputs/.bashrc": b"harm", "outputs/a": b"a"})
    for outputs in (["**"], ["*"], [".*", "a"]):
        assert "was not asked for" in home.refuses(raw, outputs)
        assert home.files() == {}
    home.receives(raw, [".bashrc", "*"])
    assert home.files() == {".bashrc": b"harm", "a": b"a"}
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "'.bashrc'" in told


def test_records_and_files_come_home(home: Home) -> None:
    raw = archive(
        {
            "results/0": VALUE,
            "outputs/a.txt": b"a",
            "results/1": pickled(("value", 8)) + pickled(("value", 9)),
            "outputs/sub/b c.txt": b"b",
            "outputs/results/0": b"no record",
        }
    )
    assert home.receives(raw, ["a.txt", "sub/*", "results/0"]).values == [7, 8, 9]
    assert home.files() == {"a.txt": b"a", "sub/b c.txt": b"b", "results/0": b"no record"}


def test_a_file_takes_the_place_of_an_older_one(home: Home) -> None:
    (home.place / "a").write_bytes(b"old")
    home.receives(archive({"outputs/a": b"new"}))
    assert home.files() == {"a": b"new"}


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o6755, 0o1700, 0o000, 0o777])
def test_a_program_stays_one_and_gets_nobodys_rights(home: Home, mode: int) -> None:
    mask = os.umask(0o022)
    try:
        home.receives(raw_member("outputs/a", mode=mode) + END)
    finally:
        os.umask(mask)
    found = stat.S_IMODE((home.place / "a").stat().st_mode)
    assert found == 0o644 | (mode & 0o111)


@pytest.mark.parametrize(
    "name",
    [
        "outputs/b.dat", "outputs/sub/a.txt", "outputs", "outputs2/a.txt", "a.txt", "manifest.json",
        "results/x", "results/-1", "results/", "results", "results/0/0", "results/0.done",
        "Results/0",
    ],
)  # fmt: skip
def test_what_was_not_asked_for_is_refused_and_nothing_written(home: Home, name: str) -> None:
    raw = archive({"results/0": VALUE, "outputs/a.txt": b"a"})
    assert home.receives(raw, ["*.txt"]).values == [7]
    (home.place / "a.txt").unlink()
    raw = raw_member("outputs/a.txt", b"a") + raw_member(name, b"x") + END
    assert "was not asked for" in home.refuses(raw, ["*.txt"])
    assert home.files() == {}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_member_is_refused_and_nothing_written(home: Home, what: str) -> None:
    hostile = {**no_plain_files("outputs/sub"), **bad_names("outputs/sub")}[what]
    home.refuses(raw_member("outputs/a", b"a") + hostile + END)
    assert home.files() == {}


def test_the_same_file_twice_is_refused_and_nothing_written(home: Home) -> None:
    raw = raw_member("outputs/a", b"a") + raw_member("outputs//a", b"b") + END
    assert "comes twice" in home.refuses(raw)
    assert home.files() == {}


@pytest.mark.parametrize(
    "forged",
    [record(NAMES["a function of the system"]), pickled("no record"), b"\xff" + VALUE],
    ids=["a function", "no record", "no pickle"],
)
def test_with_forged_records_no_file_is_written(home: Home, forged: bytes) -> None:
    home.refuses(archive({"outputs/a": b"a", "results/0": forged, "outputs/b": b"b"}))
    assert home.files() == {}


def test_no_link_is_followed(home: Home) -> None:
    (home.place / "folder").symlink_to(home.precious)
    (home.place / "file").symlink_to(home.precious / "file")
    assert "is not a directory" in home.refuses(archive({"outputs/folder/file": b"x"}))
    home.receives(archive({"outputs/file": b"new"}))
    assert not (home.place / "file").is_symlink()
    assert (home.precious / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["outputs/folder", "outputs/" + "n" * 300])
def test_a_file_that_finds_no_place_takes_neither_the_results_nor_other_files_away(
    home: Home, name: str
) -> None:
    (home.place / "folder").mkdir()
    records = home.receives(archive({name: b"x", "results/0": VALUE, "outputs/other": b"y"}))
    assert records.values == [7]
    assert type(records.unwritten) is InputError and name[8:40] in records.unwritten.message
    assert home.files() == {"other": b"y"}


@pytest.mark.parametrize("name", ["outputs/closed/a", "outputs/closed/new/a"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, InputError), (errno.EPERM, InputError), (errno.EIO, InputError),
        (errno.ENOSPC, HomeUnwritable), (errno.EDQUOT, HomeUnwritable),
        (errno.EROFS, HomeUnwritable),
    ],
)  # fmt: skip
def test_a_folder_of_the_students_own_is_not_the_results_fault(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, number: int, kind: type
) -> None:
    (home.place / "closed").mkdir()
    real = os.open

    def closed(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        # Root, as whom tests may run, is refused nothing.
        if path == "closed" or (number in HOME_ERRORS and flags & os.O_CREAT):
            raise OSError(number, os.strerror(number))
        return real(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", closed)
    raw = archive({"results/0": VALUE, name: b"a"})
    archive_file = home.place.parent / "result.tar"
    archive_file.write_bytes(raw)
    records = collect(archive_file, home.place, outputs=["**"])
    assert records.values == [7]
    assert type(records.unwritten) is kind
    assert home.files() == {}


def test_a_home_that_vanished_does_not_make_results_vanish(home: Home) -> None:
    home.place.rmdir()
    records = home.receives(archive({"results/0": VALUE, "outputs/a": b"a"}))
    assert records.values == [7] and type(records.unwritten) is InputError


def test_a_result_file_that_cannot_be_read_is_missing_and_not_forged(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(stream: BinaryIO, *, max_bytes: int) -> Any:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(collecting, "read_tar", broken)
    with pytest.raises(ResultMissing, match="Stale file handle"):
        home.receives(archive({"results/0": VALUE}))


def test_folders_without_end_are_no_trouble(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    # They are deeper than Python's stack, so nobody could remove them: none are made here.
    written: list[str] = []
    monkeypatch.setattr(collecting, "write_below", lambda _, name, *__, **___: written.append(name))
    target = "n/" * 1900 + "n"
    try:
        home.receives(archive({f"outputs/{target}": b"x"}))
    except ResultRejected:
        assert written == []
    else:
        assert written == [target]


def test_more_than_any_run_may_send_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_BYTES", 10)
    assert "more than 10 bytes" in home.refuses(archive({"outputs/a": bytes(11)}))


WHOLE = archive({"results/0": pickled(("value", "x" * 1500)), "outputs/a": b"a" * 1500})


@pytest.mark.parametrize("cut", [0, 100, 700, 1900, 2048, 2050, 2560, 3100, 4000, 4096])
def test_half_a_stream_is_refused_and_nothing_written(home: Home, cut: int) -> None:
    home.refuses(WHOLE[:cut])
    assert home.files() == {}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=3))
def test_a_damaged_stream_is_refused_or_stays_at_home(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    home = Home(tmp_path_factory.mktemp("damaged"))
    raw = bytearray(WHOLE)
    for place, value in changes:
        raw[place] = value
    try:
        home.receives(bytes(raw))
    except ResultRejected:
        assert home.files() == {}
    assert (home.precious / "file").read_bytes() == b"precious"

"""Which files an experiment takes along."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle.archive import BundleError, safe_path
from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.inputs import check_patterns, input_members


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some files."""
    place = tmp_path / "work place"
    for name in ("a.txt", "b.txt", "data/c.txt", "data/deep/d.dat", "data/.hidden", "empty/"):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.touch()
    monkeypatch.chdir(place)
    return place


def names(*patterns: str) -> list[str]:
    return [member.path for member in input_members(patterns, "files")]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        (["a.txt"], ["a.txt"]),
        (["./a.txt"], ["a.txt"]),
        (["*.txt"], ["a.txt", "b.txt"]),
        (["data"], ["data/.hidden", "data/c.txt", "data/deep/d.dat"]),
        (["data/"], ["data/.hidden", "data/c.txt", "data/deep/d.dat"]),
        (["data/*.txt"], ["data/c.txt"]),
        (["**/*.dat"], ["data/deep/d.dat"]),
        (["b.txt", "*.txt"], ["b.txt", "a.txt"]),
        (["data/c.txt", "data/*.txt", "data/deep"], ["data/c.txt", "data/deep/d.dat"]),
    ],
)
def test_globs_name_files_each_once(here: Path, patterns: list[str], expected: list[str]) -> None:
    assert names(*patterns) == [f"files/{name}" for name in expected]


def test_sources_stay_the_same_when_the_working_directory_changes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = list(input_members(["data/*.txt"], "files"))
    monkeypatch.chdir("/")
    assert [member.source for member in members] == [here / "data/c.txt"]


def test_links_are_taken_for_what_they_lead_to(here: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "e.txt").touch()
    (here / "link").symlink_to(tmp_path / "shared")
    (here / "alias.txt").symlink_to("a.txt")
    assert names("link", "alias.txt") == ["files/link/e.txt", "files/alias.txt"]


@pytest.mark.parametrize("pattern", ["none.txt", "none/*", "empty", "A.TXT", "[", "~", "\ud800"])
def test_a_glob_that_matches_nothing_is_told(here: Path, pattern: str) -> None:
    with pytest.raises(InputError, match="No input file matches") as caught:
        names("a.txt", pattern)
    assert repr(pattern) in caught.value.message and str(here) in caught.value.message


@pytest.mark.parametrize("pattern", ["a**b", "x" * 5000])
def test_a_glob_that_python_does_not_take_is_told(here: Path, pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        names(pattern)
    assert pattern[:20] in caught.value.message


@pytest.mark.parametrize("pattern", ["", ".", "/etc/passwd", "../a", "data/../../a", "a\0", "a\nb"])
def test_a_glob_that_leaves_the_working_directory_is_refused(here: Path, pattern: str) -> None:
    with pytest.raises(InputError, match=r"input_files holds .* does not stay inside") as caught:
        names("a.txt", pattern)
    assert "relative to the working directory" in caught.value.hint
    with pytest.raises(InputError, match="output_files holds"):
        check_patterns(["*", pattern], "output_files")


@given(st.lists(st.text(alphabet="a*./\0", max_size=6), max_size=3))
def test_globs_are_passed_on_as_they_are_or_refused(patterns: list[str]) -> None:
    try:
        assert check_patterns(patterns, "output_files") == tuple(patterns)
    except InputError:
        return
    assert all(os.path.normpath(f"/root/{pattern}").startswith("/root/") for pattern in patterns)


def test_a_name_that_the_sandbox_would_refuse_is_refused_here(here: Path) -> None:
    # There it would look like a fault of the machines, to be tried again.
    (here / "a\nb.csv").touch()
    with pytest.raises(BundleError):
        safe_path("a\nb.csv")
    with pytest.raises(InputError):
        names("*.csv")

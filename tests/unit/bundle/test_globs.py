"""Which files globs name, on the way out and on the way back."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.bundle import globs
from cfiddle_slurm.bundle.archive import BundleError


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a.txt", "*.txt", True),
        ("a.txt", "./*.txt", True),
        ("sub/a.txt", "*.txt", False),
        ("sub/a.txt", "sub/*", True),
        ("sub/deep/a.txt", "sub/*.txt", False),
        # A folder means what is in it.
        ("sub/a.txt", "sub", True),
        ("sub/a.txt", "sub/", True),
        ("sub/deep/a.txt", "sub", True),
        ("sub/deep/a.txt", "sub/*", True),
        ("other/sub/a.txt", "sub", False),
        ("other/sub/a.txt", "**/sub", True),
        ("sub", "sub/a.txt", False),
        ("a.txt", "**/*.txt", True),
        ("sub/deep/a.txt", "**/*.txt", True),
        ("sub/a.txt", "**", True),
        ("sub/deep/a.txt", "sub/**/a.txt", True),
        ("other/a.txt", "sub/**/a.txt", False),
        ("a.txt", "a.[ch]", False),
        ("A.TXT", "*.txt", False),
        # What is hidden, or run by itself, fits no wildcard, only its own name.
        (".bashrc", "*", False),
        (".bashrc", "**", False),
        (".bashrc", "?bashrc", False),
        (".bashrc", "[.]bashrc", False),
        (".bashrc", ".bash*", False),
        (".bashrc", ".*", False),
        (".bashrc", ".bashrc", True),
        (".bashrc", "./.bashrc", True),
        (".ipython/profile_default/startup/x.py", "**/*.py", False),
        (".ipython/profile_default/startup/x.py", ".ipython/profile_default/startup/*", False),
        (".ipython/profile_default/startup/x.py", ".ipython/profile_default/startup/x.py", True),
        ("sub/.git/hooks/pre-commit", "sub/**", False),
        ("sub/conftest.py", "sub/*.py", False),
        ("sub/.bashrc", "sub", False),
        (".ssh/authorized_keys", ".ssh", False),
        ("sub/conftest.py", "sub", False),
        ("sub/conftest.py", "sub/conftest.py", True),
        ("jupyter_server_config.py", "*.py", False),
        ("__pycache__/a.cpython-311.pyc", "**", False),
        ("a.py", "*.py", True),
        ("a.b/c.d", "*/*", True),
    ],
)
def test_globs(path: str, pattern: str, fits: bool) -> None:
    assert globs.matches(path, [pattern]) is fits
    assert globs.matches(path, ["no", pattern]) is fits
    assert globs.matches(path, []) is False


def test_found_files_are_regular_and_sorted(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/c.dat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "far").symlink_to(tmp_path / "sub")
    os.mkfifo(tmp_path / "pipe.txt")
    assert list(globs.find_outputs(tmp_path, ["**/*.txt"])) == ["a.txt", "b.txt", "sub/c.txt"]
    assert list(globs.find_outputs(tmp_path, [])) == []
    assert list(globs.find_outputs(tmp_path / "none", ["**"])) == []


def test_found_files_are_in_the_same_order_on_every_machine(tmp_path: Path) -> None:
    names = [f"{letter}/{letter}" for letter in "qwertyuiopasdfghjkl"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert list(globs.find_outputs(tmp_path, ["**"])) == sorted(names)


NAMES = (
    "a.txt",
    "b.txt",
    "ab",
    "sub/a.txt",
    "sub/ab/c",
    "sub/deep/a.txt",
    "b/sub/a.txt",
    "d/e/f/g",
)
PARTS = st.sampled_from(["*", "**", "?", "a*", "*.txt", "sub", "a.txt", "ab", "[ab]", "d", "."])
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join) | PARTS.map("{}/".format)


@given(pattern=PATTERNS)
def test_one_glob_names_the_same_files_on_both_ways(pattern: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).touch()
        try:
            out = globs.find_inputs(Path(folder), pattern)
        except BundleError:
            return
        assert out == set(globs.find_outputs(Path(folder), [pattern]))


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("a.txt", ""),
        ("*", ""),
        ("sub", ""),
        ("sub/", "sub"),
        ("sub/a.txt", "sub"),
        ("sub/dir/*.txt", "sub/dir"),
        ("./sub//dir/**/x", "sub/dir"),
        ("sub/d[12]/x/a.txt", "sub"),
        ("**/a.txt", ""),
    ],
)
def test_the_folder_that_all_files_of_a_glob_lie_in(pattern: str, folder: str) -> None:
    assert globs.fixed_folder(pattern) == folder


def test_a_folder_that_is_listed_twice_is_looked_through_once(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(100):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    walked = []
    real = os.scandir

    def scandir(path: str) -> object:
        walked.append(path)
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        assert len(globs.find_inputs(tmp_path, "**/*")) == 1
    assert len(walked) < 1000


def test_folders_in_folders_without_end_are_no_output(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(33):
        here = here / ("d" * 100)
        os.mkdir(here)
    with pytest.raises(BundleError, match="too long"):
        list(globs.find_outputs(tmp_path, ["**/x"]))


def test_a_link_in_the_place_of_the_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(globs.find_outputs(tmp_path / "real", ["**"])) == ["x"]
    assert list(globs.find_outputs(tmp_path / "link", ["**"])) == []


def test_a_glob_of_many_stars_takes_no_time() -> None:
    assert not globs.matches("a/" * 200 + "b", ["**/a/" * 40 + "c"])
    assert globs.matches("a/" * 200 + "b", ["**/a/" * 40 + "**/b"])

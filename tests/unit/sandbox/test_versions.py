"""The versions that must agree."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from cfiddle_slurm import __version__
from cfiddle_slurm.sandbox import versions

OURS = {"python": "3.11", "cfiddle": "0.6.1", "cfiddle_slurm": "0.1.0"}


def test_versions_that_differ_are_all_named() -> None:
    assert versions.mismatch(OURS, OURS) is None
    assert versions.mismatch({**OURS, "another": "1"}, OURS) is None
    words = versions.mismatch({**OURS, "python": "3.13", "cfiddle": "0.7"}, OURS)
    assert words == (
        "The versions do not match: python 3.13 in the notebook, 3.11 in the sandbox; "
        "cfiddle 0.7 in the notebook, 0.6.1 in the sandbox."
    )
    assert "cfiddle None in the notebook" in str(versions.mismatch({}, OURS))


def test_versions_are_those_that_are_installed() -> None:
    assert versions.here() == {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "cfiddle": importlib.metadata.version("cfiddle"),
        "cfiddle_slurm": __version__,
        "cfiddle_code": versions.code("cfiddle"),
    }
    assert versions.code("no_such_package") is None
    assert versions.installed("no_such_package") == "not installed"
    assert versions.installed("json") == "not known"


def test_so_are_those_of_a_package_that_is_elsewhere_than_what_is_known_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, known in (("source", "own"), ("site", "own-1.2.dist-info")):
        (tmp_path / folder / known).mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / folder)
    (tmp_path / "source" / "own" / "__init__.py").touch()
    (tmp_path / "site" / "own-1.2.dist-info" / "METADATA").write_text("Name: own\nVersion: 1.2\n")
    assert versions.installed("own") == "1.2"


def with_code(code: str, number: str = "0.6.1") -> dict[str, str]:
    return {**OURS, "cfiddle": number, versions.CODE: code}


def test_one_number_with_two_codes_is_told() -> None:
    words = versions.mismatch(with_code("11112222"), with_code("33334444"))
    assert words == (
        "The versions do not match: cfiddle 0.6.1 is another code in the notebook (11112222) than "
        "in the sandbox (33334444)."
    )


def test_two_numbers_with_one_code_fit() -> None:
    assert versions.mismatch(with_code("1", "0.6.1.post1"), with_code("1")) is None
    other = {**with_code("1"), "python": "3.9"}
    assert "python 3.9 in the notebook" in str(versions.mismatch(other, with_code("1")))


def test_two_numbers_with_two_codes_are_told_once() -> None:
    words = str(versions.mismatch(with_code("1", "0.7"), with_code("2")))
    assert words.count("cfiddle") == 1 and "cfiddle 0.7 in the notebook" in words


def test_where_one_side_does_not_know_its_code_the_number_counts() -> None:
    for theirs, ours in ((OURS, with_code("1")), (with_code("1"), OURS)):
        assert versions.mismatch(theirs, ours) is None
        assert versions.mismatch({**theirs, "cfiddle": "0.7"}, ours)


def test_the_code_is_that_of_python_files_wherever_they_are(tmp_path: Path) -> None:
    def made(place: str, text: str = "x = 1\n", name: str = "a.py") -> str:
        (tmp_path / place / "inner").mkdir(parents=True)
        (tmp_path / place / "inner" / name).write_text(text)
        (tmp_path / place / "b.py").touch()
        return versions.digest_of(tmp_path / place)

    first = made("first")
    assert made("again") == first
    for other in (made("changed", "x = 2\n"), made("renamed", name="c.py")):
        assert other != first
    (tmp_path / "first" / "inner" / "__pycache__").mkdir()
    (tmp_path / "first" / "inner" / "__pycache__" / "a.cpython-313.pyc").write_text("cache")
    (tmp_path / "first" / "lib.so").write_text("library")
    assert versions.digest_of(tmp_path / "first") == first


def test_the_code_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "looked_at_once"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    before = versions.code(package.name)
    (package / "__init__.py").write_text("x = 1")
    assert versions.code(package.name) == before != versions.digest_of(package)


def test_the_code_can_stand_in_a_label_and_a_request() -> None:
    text = versions.text_of(with_code("0a1b2c3d"))
    assert text == "cfiddle=0.6.1 cfiddle_code=0a1b2c3d cfiddle_slurm=0.1.0 python=3.11"

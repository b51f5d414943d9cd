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
    }
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

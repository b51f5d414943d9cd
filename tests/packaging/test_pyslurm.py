"""The stand-in for pyslurm has the names of the pyslurm that package indexes have."""

import re
import sys
import tarfile
from pathlib import Path

import pytest

from cfiddle_slurm import process

NAMES = Path(__file__).parents[1] / "unit" / "schedulers" / "binding" / "names.txt"
SECONDS = 280.0
FILES = {
    "JobSubmitDescription": "core/job/submission.pyx",
    "Job": "core/job/job.pyx",
    "Jobs": "core/job/job.pyx",
    "RPCError": "core/error.pyx",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package in its source distribution. It is not built: that needs Slurm."""
    place = tmp_path_factory.mktemp("pyslurm")
    process.check(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-binary=:all:", f"--dest={place}", "pyslurm>=25.11,<26"],
        timeout=SECONDS,
    )  # fmt: skip
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    (package,) = place.glob("*/pyslurm")
    return package


def class_text(source: Path, name: str) -> str:
    """A class's part of its file, and what it declares or inherits elsewhere."""
    text = (source / FILES[name]).read_text()
    match = re.search(rf"^(?:cdef )?class {name}\b.*?(?=^(?:cdef )?class |\Z)", text, re.M | re.S)
    assert match is not None, name
    if name == "JobSubmitDescription":
        return match[0] + (source / "core/job/submission.pxd").read_text().partition("public:")[2]
    if name == "Jobs":
        return match[0] + (source / "xcollections.pyx").read_text()
    return match[0]


@pytest.mark.parametrize(
    "name", [line for line in NAMES.read_text().splitlines() if line[0] not in "#_"]
)
def test_the_package_has_the_name(source: Path, name: str) -> None:
    path, call, arguments = name.partition("(")
    kind, _, member = path.partition(".")
    text = class_text(source, kind)
    words = [re.escape(word.strip()) for word in arguments.rstrip(")").split(",") if word]
    if call:
        given = r"[^)]*\b".join(words) if words else ""
        assert re.search(rf"def {member or '__init__'}\((?:self)?[^)]*?{given}", text)
    else:
        assert re.search(rf"def {member}\(self\)|^ +{member}$", text, re.MULTILINE)


def test_a_name_that_it_has_not_is_missed(source: Path) -> None:
    with pytest.raises(AssertionError):
        test_the_package_has_the_name(source, "Job.nonsense")
    with pytest.raises(AssertionError):
        test_the_package_has_the_name(source, "Job.cancel(nonsense)")


def test_the_version_begins_with_slurms(source: Path) -> None:
    assert re.search(r'^__version__ = "25\.11\.\d+', (source / "version.py").read_text(), re.M)

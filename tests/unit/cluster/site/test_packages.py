"""Packages as an administrator names them: what pip takes is taken, and nothing else."""

import zipfile
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.site import packages
from cfiddle_slurm.cluster.site.packages import Packages

GOOD = [
    "matplotlib", "x[y]", "matplotlib>=3,<4", "numpy == 2.1.*", "x[a,b]~=1.0 ; python_version>'3'",
    "my.pkg_2", "a===1.0+local", "git+https://github.com/NVSL/cfiddle-things@devel#egg=x",
    "x @ https://example.edu/x-1.0.tar.gz", "https://example.edu/x-1-py3-none-any.whl",
    "./x-1.0-py3-none-any.whl", "../mine", "/srv/wheels/x-1-py3-none-any.whl", "~/mine",
    "x-1-py3-none-any.whl", "--index-url=https://pip:secret@registry.example/simple",
    "--extra-index-url=http://near", "--find-links=https://example.edu/wheels/", "--no-deps",
    "--pre", "--trusted-host=registry.example:8080", "--no-binary=:all:", "--only-binary=x,y",
]  # fmt: skip
WRONG = [
    "", " ", "a b", "$(id)", "a;b", "a\nb", "x; rm -rf", "x`id`", "x && y", "a==1 --pre",
    "a --hash=sha256:0", "https://x/\\", "https://x/${HOME}", "git+https://x/y z", "x==",
    "ftp://x/y", "git+ssh://git@example.edu/x", "file:///etc/passwd", "x @ file:///etc", "#x",
    "a # b",
]  # fmt: skip
NOT_FOR_IMAGES = [
    "--target=/", "-t/", "-e.", "--editable=.", "--requirement=/etc/passwd", "-r x", "--root=/",
    "--install-option=x", "--config-settings=x", "--python=x", "--no-deps --pre", "--no-deps=1",
    "-",
]  # fmt: skip
INCOMPLETE = [
    "--index-url", "--index-url=", "--index-url=x", "--index-url=https://a b", "--no-binary=a b",
    "--find-links=/srv", "--extra-index-url=git+https://x", "--trusted-host=$x",
]  # fmt: skip


@pytest.mark.parametrize("entry", GOOD)
def test_what_pip_takes_is_taken(entry: str) -> None:
    assert packages.pip_entry(entry) == entry


def test_a_value_of_an_option_may_stand_apart() -> None:
    assert packages.pip_entry("--index-url https://x") == "--index-url=https://x"


@pytest.mark.parametrize("entry", [*WRONG, 3, None, ["x"]])
def test_anything_else_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="must be a list of package names, addresses, paths"):
        packages.pip_entry(entry)


@pytest.mark.parametrize("entry", NOT_FOR_IMAGES)
def test_options_that_make_no_sense_here_are_refused_with_those_that_do(entry: str) -> None:
    with pytest.raises(ValueError, match="of pip's options an image can use --extra-index-url, "):
        packages.pip_entry(entry)


@pytest.mark.parametrize("entry", INCOMPLETE)
def test_options_need_their_values(entry: str) -> None:
    with pytest.raises(ValueError, match=r"must come (an http address|a name)"):
        packages.pip_entry(entry)


@pytest.mark.parametrize("entry", ["cfiddle", "cfiddle==0.6.1", "CFiddle>=0.6", "cfiddle_slurm"])
def test_cfiddle_comes_by_its_own_setting(entry: str) -> None:
    with pytest.raises(ValueError, match="which the setting cfiddle and the kit choose"):
        packages.pip_entry(entry)
    assert packages.pip_entry("cfiddle-extras") == "cfiddle-extras"


def make_wheel(folder: Path, name: str = "x-1.0-py3-none-any.whl") -> Path:
    """The least that is a wheel."""
    package, version = name.split("-")[:2]
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr(f"{package}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return folder / name


def test_files_and_folders_get_their_whole_paths(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").touch()
    sources = tmp_path / "y-1.tar.gz"
    sources.touch()
    given = Packages(
        ("vim",), ("z", "./project", "y-1.tar.gz", "--pre", "https://e/x.whl"), (wheel.name,)
    )
    found = packages.located(given, tmp_path)
    assert found == Packages(
        ("vim",), ("z", str(project), str(sources), "--pre", "https://e/x.whl"), (str(wheel),)
    )
    assert found.for_pip == (*found.pip, str(wheel))
    assert [packages.is_path(one) for one in found.for_pip] == [
        False,
        True,
        True,
        False,
        False,
        True,
    ]
    assert packages.located(found, Path("/")) == found


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with files and folders that are not what they are called."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "x.whl").touch()
    (tmp_path / "x-1.0-py3-none-any.whl").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "y-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("hello", "no metadata")
    make_wheel(tmp_path, "cfiddle-0.6.1-py3-none-any.whl")
    make_wheel(tmp_path, "numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("./none", "there is no such file or folder"),
        ("./empty", "has neither pyproject.toml nor setup.py"),
        ("./notes.txt", "neither a package nor a folder"),
        ("./x.whl", "not called like a wheel"),
        ("x-1.0-py3-none-any.whl", "not a wheel"),
        ("y-1.0-py3-none-any.whl", "not a wheel"),
        ("cfiddle-0.6.1-py3-none-any.whl", "comes by the setting cfiddle"),
        ("~nobody-of-that-name/x.whl", "no path here"),
    ],
)
def test_what_is_not_what_it_should_be_is_told(strange: Path, entry: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^pip names .*{words}"):
        packages.located(Packages(pip=(entry,)), strange)
    if entry.endswith(".whl"):
        with pytest.raises(ValueError, match=rf"^wheels names .*{words}"):
            packages.located(Packages(wheels=(entry,)), strange)


@pytest.mark.parametrize("entry", ["", "0.6.1", "0.7rc1", "1.0.post1", "2!1.0+local.1"])
def test_a_cfiddle_by_its_version(entry: str, tmp_path: Path) -> None:
    assert packages.located_cfiddle(packages.cfiddle_entry(entry), tmp_path) == entry


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("==0.6.1", "neither a version like '0.6.1' nor a file or folder: '==0.6.1'"),
        ("devel", "neither a version"),
        ("./none", "no such file or folder"),
        ("empty", "has neither pyproject.toml nor setup.py"),
        ("notes.txt", "not called like a wheel"),
        ("x-1.0-py3-none-any.whl", "not a wheel"),
        ("numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "of another pack"),
    ],
)
def test_what_is_no_cfiddle_is_told(strange: Path, entry: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        packages.located_cfiddle(entry, strange)


def test_a_cfiddle_by_its_file_or_folder(strange: Path) -> None:
    wheel = strange / "cfiddle-0.6.1-py3-none-any.whl"
    assert packages.located_cfiddle(wheel.name, strange) == str(wheel)
    (strange / "empty" / "setup.py").touch()
    assert packages.located_cfiddle("empty", strange) == str(strange / "empty")

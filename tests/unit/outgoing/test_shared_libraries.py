"""What compiled libraries need of the machine that loads them."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing import shared_libraries
from cfiddle_slurm.outgoing.shared_libraries import SharedLibrary, check_needs, missing, read
from cfiddle_slurm.settings import Settings

SOURCE = b"""
extern int far(int);
__attribute__((weak)) extern int perhaps(int);
int here(int n) { return far(n) + (perhaps ? perhaps(n) : 0); }
"""
KNOWN = ("libc.so.6", "libgomp.so.1")


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A library that is linked with another, libown.so."""
    return build(tmp_path, "made.so", "-Wl,-rpath,/opt/a:/home/b")


def build(folder: Path, name: str, options: str = "") -> Path:
    gcc = ["gcc", "-shared", "-fPIC", "-x", "c", "-"]
    own = folder / "libown.so"
    process.check([*gcc, "-o", str(own)], timeout=60, input=b"int far(int n) { return n; }")
    made = folder / name
    link = ["-x", "none", "-L", str(folder), "-Wl,--no-as-needed", "-lown", *shlex.split(options)]
    process.check([*gcc, *link, "-o", str(made)], timeout=60, input=SOURCE)
    return made


def test_a_library_is_read(compiled: Path) -> None:
    found = read(compiled, 0)
    assert "here" in found.exports and not {"far", "perhaps"} & found.exports
    assert "far" in found.missing and not {"here", "perhaps"} & found.missing
    assert found.needs[0] == "libown.so" and "libc.so.6" in found.needs
    assert found.searches == ("/opt/a", "/home/b")


def invocation(library: Path, **options: str) -> Any:
    executable = SimpleNamespace(
        lib=str(library), build_spec=SimpleNamespace(source_file="mine.cpp")
    )
    return SimpleNamespace(executable=executable, run_options=options)


def on_the_cluster(**values: Any) -> Settings:
    return Settings(**{"scheduler": "slurm", "sandbox_libraries": KNOWN, **values})


def test_what_the_sandbox_does_not_have_is_named_with_source_and_setting(tmp_path: Path) -> None:
    made = invocation(build(tmp_path, "made.so"))
    with pytest.raises(InputError) as caught:
        check_needs([made, made], on_the_cluster())
    words = str(caught.value)
    assert words.startswith("The compiled library of mine.cpp needs libown.so, which the sandbox")
    assert "[sandbox_packages]" in words and "\n" not in words
    check_needs([made], on_the_cluster(sandbox_libraries=(*KNOWN, "libown.so")))


@pytest.mark.parametrize(
    "values",
    [{"scheduler": "local"}, {"sandbox_libraries": ()}, {"image": "own:1"}],
)
def test_where_it_is_not_known_what_there_is_nothing_is_refused(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    made = invocation(build(tmp_path, "made.so"))
    check_needs([made], on_the_cluster(**values))
    check_needs([invocation(tmp_path / "made.so", LD_LIBRARY_PATH="libs")], on_the_cluster())


def test_the_image_that_everybody_gets_is_known_by_its_name_too(tmp_path: Path) -> None:
    made = invocation(build(tmp_path, "made.so"))
    images = {"allowed_images": ("first", "second")}
    check_needs([made], on_the_cluster(image="second", **images))
    with pytest.raises(InputError):
        check_needs([made], on_the_cluster(image="first", **images))


def test_a_run_of_no_library_needs_nothing() -> None:
    check_needs([], on_the_cluster())


@pytest.mark.parametrize(
    ("needs", "searches", "lacks"),
    [
        (("libc.so.6",), (), None),
        (("libc.so.6", "libcfiddle.so"), (), None),
        (("libc.so.6", "libfoo.so.1", "libbar.so"), (), "libfoo.so.1"),
        (("/usr/lib/x.so",), (), None),
        (("libfoo.so",), ("/usr/lib/foo",), None),
        (("libfoo.so",), ("$ORIGIN/../files",), None),
        (("libfoo.so",), ("/home/ana/lib", "/usrx", ""), "libfoo.so"),
    ],
)
def test_which_libraries_are_missing(
    needs: tuple[str, ...], searches: tuple[str, ...], lacks: str | None
) -> None:
    library = SharedLibrary(frozenset(), frozenset(), needs, searches)
    assert missing(library, KNOWN) == lacks


def test_half_a_library_is_told(tmp_path: Path) -> None:
    half = tmp_path / "half.so"
    half.write_bytes(build(tmp_path, "made.so").read_bytes()[:200])
    with pytest.raises(InputError, match="is not a shared library"):
        shared_libraries.read(half, 0)

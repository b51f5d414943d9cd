"""Python packages as files of the build context."""

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.image import python_packages
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.packages import Packages


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("entry", "wanted"), [("0.6.1", "0.6.1"), ("", metadata.version("cfiddle"))]
)
def test_a_version_of_cfiddle_is_a_requirement(tmp_path: Path, entry: str, wanted: str) -> None:
    python_packages.put_cfiddle(tmp_path, entry)
    assert contents(tmp_path / "packages" / "cfiddle") == {
        "requirements.txt": f"cfiddle=={wanted}\n".encode(),
        "options": b"",
    }


def test_sources_come_along_without_what_was_built_of_them(tmp_path: Path) -> None:
    source = tmp_path / "my sources"
    for name in ("src/cfiddle/x.py", ".git/config", "build/x", "src/cfiddle/__pycache__/x.pyc"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "setup.py").touch()
    (source / "gone").symlink_to("nowhere")
    python_packages.put_cfiddle(tmp_path, str(source))
    assert contents(tmp_path / "packages" / "cfiddle") == {
        "requirements.txt": b"/build/packages/0/source\n",
        "options": b"",
        "0/source/setup.py": b"",
        "0/source/src/cfiddle/x.py": b"src/cfiddle/x.py",
    }


def test_what_pip_gets_is_in_the_order_that_was_given(tmp_path: Path) -> None:
    wheel = tmp_path / "x-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    packages = Packages(
        ("vim",), ("--pre", "--no-deps", "a==1", "git+https://e/x"), (str(wheel), str(wheel))
    )
    python_packages.put(tmp_path, "user", packages)
    assert contents(tmp_path / "packages" / "user") == {
        "requirements.txt": (
            b"--pre\na==1\ngit+https://e/x\n/build/packages/3/x-1-py3-none-any.whl\n"
            b"/build/packages/4/x-1-py3-none-any.whl\n"
        ),
        "options": b"--no-deps",
        "3/x-1-py3-none-any.whl": b"wheel",
        "4/x-1-py3-none-any.whl": b"wheel",
    }


def test_nothing_is_a_folder_too(tmp_path: Path) -> None:
    python_packages.put(tmp_path, "sandbox", Packages(("libfoo",)))
    assert set(contents(tmp_path / "packages" / "sandbox").values()) == {b""}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder that takes the place of /build, with stand-ins for pip and apt-get beside it."""
    folder = tmp_path / "build"
    (folder / "packages").mkdir(parents=True)
    text = (kit.folder("cluster") / "install-packages").read_text()
    # /var/lib/apt is not ours to tidy up.
    text = text.replace("/build/", f"{folder}/").replace("/var/lib", f"{folder}/var/lib")
    (folder / "install-packages").write_text(text)
    for name in ("pip", "apt-get"):
        (folder / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >>{folder}/calls\necho "$GIT_SSL_CAINFO" >{folder}/ca\n'
        )
        (folder / name).chmod(0o755)
    return folder


def install(build: Path, requirements: str, options: str = "") -> list[str]:
    """The programs that are called to install them."""
    (build / "packages" / "requirements.txt").write_text(requirements)
    (build / "packages" / "options").write_text(options)
    (build / "calls").unlink(missing_ok=True)
    shell = shutil.which("sh") or "sh"
    words = [shell, str(build / "install-packages"), "install", "--break-system-packages"]
    subprocess.run(words, check=True, env={"PATH": f"{build}:/usr/bin:/bin"})
    calls = build / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_where_there_is_nothing_nothing_is_called(build: Path) -> None:
    assert install(build, "") == []


def test_pip_reads_the_file(build: Path) -> None:
    wanted = "pip install --break-system-packages --requirement=requirements.txt"
    assert install(build, "a==1\n/build/packages/0/x-1-py3-none-any.whl\n") == [wanted]
    (with_options,) = install(build, "a==1\n", "--no-deps")
    assert with_options == wanted.replace("--req", "--no-deps --req")


@pytest.mark.parametrize(
    "line",
    ["git+https://e/x", "x @ git+https://e/x", "/build/packages/0/source", "https://e/x.zip"],
)
def test_what_must_be_fetched_or_compiled_gets_the_tools(build: Path, line: str) -> None:
    (build / "ca-bundle.pem").write_text("certificates")
    calls = install(build, f"{line}\n")
    assert [call.split()[:2] for call in calls] == [
        ["apt-get", "update"], ["apt-get", "install"], ["pip", "install"],
    ]  # fmt: skip
    assert {"git", "g++", "make"} <= set(calls[1].split())
    assert (build / "ca").read_text() == f"{build}/ca-bundle.pem\n"

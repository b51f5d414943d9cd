"""The wheel that goes into the images, and what it holds."""

import hashlib
import shutil
import stat
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from cfiddle_slurm._version import __version__
from cfiddle_slurm.cluster.image.images import BASE, BUILDER, IMAGES, REGISTRY
from cfiddle_slurm.cluster.site import kit


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, with what a run leaves in it."""
    copy = tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(kit.source_tree(), copy, ignore=shutil.ignore_patterns(".*", "*.egg-info"))
    for folder in ("cfiddle_slurm", "cluster", "sandbox", "examples"):
        cache = copy / folder / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / "values.cpython-311.pyc").touch()
    return copy


def wheel_of(tree: Path, target: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit, "source_tree", lambda: tree)
        return kit.make_wheel(target)


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(tree, tmp_path_factory.mktemp("wheel") / "dist")


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The wheel's files as pip lays them down, programs beside the packages."""
    site = tmp_path / "lib" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cfiddle-sandbox").write_text("#!/usr/bin/python3\n")
    info = site / f"cfiddle_slurm-{__version__}.dist-info"
    (info / "INSTALLER").write_text("pip\n")
    with (info / "RECORD").open("a") as record:
        record.write("../../bin/cfiddle-sandbox,,\n")
        record.write(f"{info.name}/INSTALLER,,\n")
        record.write("cfiddle_slurm/__pycache__/values.cpython-311.pyc,,\n")
    return site


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_package_and_kit(wheel: Path, tree: Path) -> None:
    found = names(wheel)
    assert {"cfiddle_slurm/sandbox/guest/__main__.py", "cfiddle_slurm/py.typed"} <= found
    assert "cfiddle_slurm/cluster/kit/stack.yml" in found
    assert "cfiddle_slurm/cluster/sandbox_image/Dockerfile" in found
    kinds = {"cluster": "kit", "sandbox": "sandbox_image", "examples": "examples"}
    for folder, inside in kinds.items():
        files = {path.name for path in (tree / folder).iterdir() if path.is_file()}
        place = f"cfiddle_slurm/cluster/{inside}/"
        assert {name.removeprefix(place) for name in found if name.startswith(place)} == files


def test_the_wheel_holds_every_module(wheel: Path, tree: Path) -> None:
    modules = {str(path.relative_to(tree)) for path in (tree / "cfiddle_slurm").rglob("*.py")}
    assert "cfiddle_slurm/cluster/commands/common.py" in modules
    assert modules - names(wheel) == set()


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert tops == {"cfiddle_slurm", f"cfiddle_slurm-{__version__}.dist-info"}
    assert not [name for name in names(wheel) if name.endswith(".pyc")]
    assert [path.name for path in wheel.parent.iterdir()] == [wheel.name]


def test_programs_of_the_kit_stay_programs(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for path in (path for path in (tree / "cluster").iterdir() if path.is_file()):
            info = archive.getinfo(f"cfiddle_slurm/cluster/kit/{path.name}")
            executable = bool(info.external_attr >> 16 & stat.S_IXUSR)
            assert executable == bool(path.stat().st_mode & stat.S_IXUSR), path


def test_an_unchanged_package_gives_the_same_wheel_and_stays_unchanged(
    wheel: Path, tree: Path, tmp_path: Path
) -> None:
    """The engine's cache of image layers depends on it."""
    before = sorted(tree.rglob("*"))
    again = wheel_of(tree, tmp_path / "dist")
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)}
    assert len(digests) == 1
    assert sorted(tree.rglob("*")) == before
    with zipfile.ZipFile(wheel) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_an_installed_package_gives_its_wheel_again(
    wheel: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = metadata.Distribution.at(installed / f"cfiddle_slurm-{__version__}.dist-info")
    monkeypatch.setattr(kit, "source_tree", lambda: tmp_path / "no source")
    monkeypatch.setattr(metadata, "distribution", lambda package: info)
    again = kit.make_wheel(tmp_path / "dist")
    assert again.name == wheel.name
    assert names(again) == names(wheel)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(again) as new:
        for name in old.namelist():
            if not name.endswith("/RECORD"):
                assert new.read(name) == old.read(name), name
        record = new.read(f"cfiddle_slurm-{__version__}.dist-info/RECORD").decode()
    listed = [line.rpartition(",sha256=")[0] or line.split(",")[0] for line in record.splitlines()]
    assert sorted(listed) == sorted(names(again))


def test_a_package_without_a_list_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cfiddle_slurm-1.dist-info"
    info.mkdir()
    monkeypatch.setattr(kit, "source_tree", lambda: tmp_path)
    monkeypatch.setattr(metadata, "distribution", lambda package: metadata.Distribution.at(info))
    with pytest.raises(kit.KitError, match="without a list of its files"):
        kit.make_wheel(tmp_path / "dist")


def test_the_kit_is_found_in_the_wheel_and_in_the_source_tree(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for image in (BASE, BUILDER, *IMAGES, REGISTRY):
        folder, _, name = image.dockerfile.partition("/")
        assert (kit.folder(folder) / name).is_file()
    monkeypatch.setattr(
        kit, "__file__", str(installed / "cfiddle_slurm" / "cluster" / "site" / "kit.py")
    )
    assert kit.folder("cluster") == installed / "cfiddle_slurm" / "cluster" / "kit"
    assert kit.folder("sandbox") == installed / "cfiddle_slurm" / "cluster" / "sandbox_image"
    shutil.rmtree(kit.folder("sandbox"))
    with pytest.raises(kit.KitError, match="folder 'sandbox' is missing"):
        kit.folder("sandbox")

"""The kit's files (Dockerfiles, Slurm's configuration, entry points) and the package as a wheel."""

import base64
import hashlib
import os
import shutil
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm._version import __version__
from cfiddle_slurm.cluster.site.errors import ClusterError

PACKAGE = "cfiddle_slurm"
_WHEEL_SECONDS = 300.0
_FIXED_TIME = "315532800"  # 1980, the first year that a zip archive knows


_PROOF = {"cluster": "*Dockerfile", "sandbox": "*Dockerfile", "examples": "*.ipynb"}


class KitError(ClusterError):
    """A part of the kit is missing; the message is one sentence."""


def folder(name: str) -> Path:
    """The kit's folder ``cluster``, ``sandbox`` or ``examples``, of the wheel or the source tree.

    Raises:
        KitError: neither is there.
    """
    here = Path(__file__).parents[1]
    shipped = {"cluster": "kit", "sandbox": "sandbox_image", "examples": "examples"}[name]
    for place in (here / shipped, source_tree() / name):
        if any(place.glob(_PROOF[name])):
            return place
    raise KitError(f"The kit's folder {name!r} is missing: install {PACKAGE} from its wheel.")


def source_tree() -> Path:
    """The folder above this package; a source tree if it holds setup.cfg."""
    return Path(__file__).parents[3]


def make_wheel(target: Path) -> Path:
    """Put this very package as a wheel into a folder, for the images.

    Raises:
        KitError, ProcessError: it cannot be built.
    """
    target.mkdir(parents=True, exist_ok=True)
    if (source_tree() / "setup.cfg").exists():
        return _build_wheel(target)
    return _repack(target)


def _build_wheel(target: Path) -> Path:
    # A copy: setuptools leaves its build folder in the tree that it builds.
    copy = target / "source"
    tree = source_tree()
    wanted = (
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        PACKAGE,
        "cluster",
        "sandbox",
        "examples",
    )
    copy.mkdir()
    for name in wanted:
        if (tree / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(tree / name, copy / name, ignore=ignore)
        else:
            shutil.copy(tree / name, copy / name)
    # setuptools is there, since CFiddle needs it: nothing has to be fetched for the build. With
    # fixed times an unchanged package gives the same wheel, and the engine's cache holds.
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _FIXED_TIME}
    process.check(
        [*pip, f"--wheel-dir={target}", str(copy)], timeout=_WHEEL_SECONDS, env=environment
    )
    shutil.rmtree(copy)
    return next(target.glob("*.whl"))


def _repack(target: Path) -> Path:
    """The wheel that this package was installed from, made again of its installed files."""
    files = metadata.distribution(PACKAGE).files
    if not files:
        raise KitError(f"{PACKAGE} was installed without a list of its files: install its wheel.")
    wheel = target / f"{PACKAGE}-{__version__}-py3-none-any.whl"
    left_out = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            name = file.as_posix()
            if name.startswith("..") or file.suffix == ".pyc" or file.name in left_out:
                continue
            data = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")
            archive.writestr(_entry(name, file.locate()), data)
        place = f"{PACKAGE}-{__version__}.dist-info/RECORD"
        archive.writestr(_entry(place), "\n".join([*record, f"{place},,"]) + "\n")
    return wheel


def _entry(name: str, source: object = None) -> zipfile.ZipInfo:
    """An entry with a fixed time, so that the same files give the same wheel."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    mode = Path(str(source)).stat().st_mode if source is not None else 0o100644
    entry.external_attr = (mode & 0o100755) << 16
    return entry

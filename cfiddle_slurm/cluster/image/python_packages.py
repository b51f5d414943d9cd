"""The Python packages that an administrator chose, as files of the build context.

pip reads them from a requirements file, so no entry is ever a word of a shell, and the engine's
cache goes by what the files hold: the same files are not installed again.
"""

import shutil
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from cfiddle_slurm.cluster.site.packages import Packages, is_path

CFIDDLE, USER, SANDBOX = "cfiddle", "user", "sandbox"
"""Folders below ``packages`` of the build context, one for each Dockerfile that copies one."""
_PLACE = "/build/packages"
"""Where a Dockerfile copies its folder to."""
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "venv", "__pycache__", "*.pyc", "*.egg-info", "build", "dist", ".*_cache"
)
# What pip takes on its command line only.
_COMMAND_LINE = frozenset(("--no-deps",))


def put_cfiddle(context: Path, entry: str) -> None:
    """Put the images' CFiddle into the context.

    Args:
        entry: its version, or the path of a wheel or of its sources; empty for the version that is
            installed here.
    """
    chosen = entry or metadata.version("cfiddle")
    _put(context, CFIDDLE, [chosen if is_path(chosen) else f"cfiddle=={chosen}"])


def put(context: Path, which: str, packages: Packages) -> None:
    """Put what one image gets in addition into the context.

    Args:
        which: :data:`USER` or :data:`SANDBOX`.
    """
    _put(context, which, packages.for_pip)


def _put(context: Path, which: str, entries: Iterable[str]) -> None:
    folder = context / "packages" / which
    folder.mkdir(parents=True)
    options = [entry for entry in entries if entry in _COMMAND_LINE]
    lines = [
        _brought(folder, number, Path(entry)) if is_path(entry) else entry
        for number, entry in enumerate(entry for entry in entries if entry not in _COMMAND_LINE)
    ]
    (folder / "options").write_text(" ".join(options))
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))


def _brought(folder: Path, number: int, path: Path) -> str:
    """Where a file or folder of the administrator's is in the image that installs it."""
    # pip reads a wheel's name; a folder's may be anything.
    name = "source" if path.is_dir() else path.name
    target = folder / str(number) / name
    target.parent.mkdir()
    if path.is_dir():
        shutil.copytree(path, target, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)
    else:
        shutil.copyfile(path, target)
    return f"{_PLACE}/{number}/{name}"

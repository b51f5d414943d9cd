"""The one language of globs in which a run's input and output files are named.

A part of a path is matched as fnmatch(3) has it, ``**`` spans any number of folders, and a folder
means all files in it. What comes home is under one rule more: no wildcard and no folder brings a
file that programs obey; see :mod:`cfiddle_slurm.obeyed`.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from cfiddle_slurm.bundle.archive import MAX_DEPTH, MAX_PATH, BundleError, safe_path
from cfiddle_slurm.obeyed import is_obeyed_file

_ROOM_ABOVE = 1024
"""Of a path's length: for the folder that it is below, here or there."""
_WILDCARD = re.compile(r"[*?\[]")


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a file that a run wrote is among those that one of the globs asks for.

    A path of :func:`is_obeyed_file` must be named in full.
    """
    wanted = [safe_path(pattern) for pattern in patterns]
    if is_obeyed_file(path):
        return any(path == one and not _WILDCARD.search(one) for one in wanted)
    return any(_match(path.split("/"), one.split("/")) for one in wanted)


def _match(parts: list[str], pattern: list[str]) -> bool:
    # Which beginnings of the path fit the pattern so far, by their numbers of parts.
    fitting = {0}
    for glob in pattern:
        if glob == "**":
            fitting = set(range(min(fitting), len(parts) + 1))
        else:
            fitting = {
                number + 1
                for number in fitting
                if number < len(parts) and fnmatch.fnmatchcase(parts[number], glob)
            }
        if not fitting:
            return False
    return any(fitting)  # a folder of the path that fits means the path, too


def fixed_folder(pattern: str) -> str:
    """The folder that all files of a glob lie in: ``sub/dir`` of ``sub/dir/*.txt``; may be empty.

    Raises:
        BundleError: the glob leaves its folder.
    """
    parts = safe_path(pattern).split("/")
    last = len(parts) if pattern.endswith("/") else len(parts) - 1
    first = next((at for at, part in enumerate(parts) if _WILDCARD.search(part)), last)
    return "/".join(parts[: min(first, last)])


def find_inputs(directory: Path, pattern: str) -> set[str]:
    """Relative paths of the files below a directory that a glob names.

    Links that the glob names are followed, those in a folder, or below ``**``, to files only: they
    could lead round in a circle.

    Raises:
        BundleError: the glob leaves its folder.
    """
    parts = safe_path(pattern).split("/")
    while parts and parts[-1] == "**":
        parts.pop()  # a folder means all files in it as it is
    places = {""}
    for part in parts:
        places = {
            os.path.join(place, name)
            for place in places
            for name in _named(os.path.join(directory, place), part)
        }
    return set(_files(directory, places))


def _named(folder: str, part: str) -> Iterable[str]:
    if part == "**":
        return [os.path.relpath(found, folder) for found, _, _ in os.walk(folder)]
    if not _WILDCARD.search(part):
        return [part] if os.path.exists(os.path.join(folder, part)) else []
    try:
        return fnmatch.filter(os.listdir(folder), part)
    except OSError:  # not there, no folder, or nobody's to read: nothing in it is named
        return []


def _files(directory: Path, places: Iterable[str]) -> Iterator[str]:
    seen = set()
    for place in places:
        start = os.path.normpath(os.path.join(directory, place))
        if not os.path.isdir(start):
            yield os.path.relpath(start, directory)
        for folder, folders, files in os.walk(start):
            if folder in seen:
                folders.clear()
                continue
            seen.add(folder)
            for file in files:
                yield os.path.relpath(os.path.join(folder, file), directory)


def find_outputs(directory: Path, patterns: Iterable[str]) -> Iterator[str]:
    """Relative paths of the regular files below a directory that fit the globs, sorted.

    Links are neither followed nor listed, nor is anything where the directory itself is one.

    Raises:
        BundleError: there are folders in folders, or names, beyond what a path can be.
    """
    wanted = tuple(patterns)
    if not wanted or directory.is_symlink():
        return
    for folder, folders, files in os.walk(directory):
        folders.sort()
        for name in (*folders, *files):
            _check_length(os.path.relpath(os.path.join(folder, name), directory))
        for file in sorted(files):
            path = Path(folder, file)
            relative = path.relative_to(directory).as_posix()
            if matches(relative, wanted) and stat.S_ISREG(path.lstat().st_mode):
                yield relative


def _check_length(path: str) -> None:
    if len(os.fsencode(path)) > MAX_PATH - _ROOM_ABOVE or path.count("/") >= MAX_DEPTH:
        raise BundleError(f"The path {path[:40]!r}... is too long for an output file.")

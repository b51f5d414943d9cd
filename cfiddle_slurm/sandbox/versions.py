"""The versions that must agree between a notebook and the sandbox that executes its runs.

CFiddle's branches bear the same number with different code, and one code may bear two numbers. So
of CFiddle there is also a digest of its Python files; where both sides know it, it decides.
"""

from __future__ import annotations

import functools
import os
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

from cfiddle_slurm._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = "cfiddle-slurm.versions"
"""An image's label with the versions in it, in the form of :func:`text_of`."""
CODE = "cfiddle_code"
"""The digest's name among the versions."""


def here() -> dict[str, str]:
    """Those of this process."""
    found = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "cfiddle": installed("cfiddle"),
        "cfiddle_slurm": __version__,
    }
    digest = code("cfiddle")
    return found if digest is None else {**found, CODE: digest}


@functools.cache  # what is loaded stays loaded, whatever is installed meanwhile
def installed(package: str) -> str:
    """A package's version, from the name of its metadata folder where that is beside it.

    importlib.metadata would know, too, but takes 20 ms for its import.
    """
    folder = _folder(package)
    if folder is None:
        return "not installed"
    for known in folder.parent.glob(f"{package}-*.dist-info"):
        return known.name[len(package) + 1 : -len(".dist-info")]
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not known"


@functools.cache
def code(package: str) -> str | None:
    """A digest of a package's Python files (some 2 ms); None if they are not there to be read."""
    folder = _folder(package)
    try:
        return None if folder is None else digest_of(folder)
    except OSError:
        return None


def digest_of(folder: Path) -> str:
    """A digest of the names and contents of the Python files in a folder.

    Nobody gains by a second code of the same digest, so a checksum will do: importing hashlib
    takes longer than all the rest.

    Raises:
        OSError: one cannot be read.
    """
    found, top = 0, os.fspath(folder)
    for place, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.join(place, name)
                found = zlib.crc32(os.fsencode(path[len(top) :]) + b"\0", found)
                with open(path, "rb") as file:
                    found = zlib.crc32(file.read(), found)
    return f"{found:08x}"


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def mismatch(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str | None:
    """One sentence about the versions that differ, or None."""
    same_code = theirs.get(CODE) == ours.get(CODE)
    known_code = CODE in theirs and CODE in ours
    differing = [
        f"{name} {theirs.get(name)} in the notebook, {ours[name]} in the sandbox"
        for name in ours
        if name != CODE
        and theirs.get(name) != ours[name]
        and not (name == "cfiddle" and known_code and same_code)
    ]
    if known_code and not same_code and theirs.get("cfiddle") == ours.get("cfiddle"):
        differing.append(
            f"cfiddle {ours.get('cfiddle')} is another code in the notebook ({theirs[CODE]})"
            f" than in the sandbox ({ours[CODE]})"
        )
    return f"The versions do not match: {'; '.join(differing)}." if differing else None


def text_of(versions: Mapping[str, str]) -> str:
    """Versions as a label holds them: ``cfiddle=0.6.1 cfiddle_slurm=0.1.0 python=3.13``."""
    return " ".join(f"{name}={versions[name]}" for name in sorted(versions))

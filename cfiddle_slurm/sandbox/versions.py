"""The versions that must agree between a notebook and the sandbox that executes its runs."""

import functools
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from cfiddle_slurm._version import __version__

LABEL = "cfiddle-slurm.versions"
"""An image's label with the versions in it, in the form of :func:`text_of`."""


def here() -> dict[str, str]:
    """Those of this process."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "cfiddle": installed("cfiddle"),
        "cfiddle_slurm": __version__,
    }


@functools.cache  # what is loaded stays loaded, whatever is installed meanwhile
def installed(package: str) -> str:
    """A package's version, from the name of its metadata folder where that is beside it.

    importlib.metadata would know, too, but takes 20 ms for its import.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return "not installed"
    site = Path(spec.origin).parent.parent
    for folder in site.glob(f"{package}-*.dist-info"):
        return folder.name[len(package) + 1 : -len(".dist-info")]
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not known"


def mismatch(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str | None:
    """One sentence about the versions that differ, or None."""
    differing = [
        f"{name} {theirs.get(name)} in the notebook, {ours[name]} in the sandbox"
        for name in ours
        if theirs.get(name) != ours[name]
    ]
    return f"The versions do not match: {'; '.join(differing)}." if differing else None


def text_of(versions: Mapping[str, str]) -> str:
    """Versions as a label holds them: ``cfiddle=0.6.1 cfiddle_slurm=0.1.0 python=3.13``."""
    return " ".join(f"{name}={versions[name]}" for name in sorted(versions))

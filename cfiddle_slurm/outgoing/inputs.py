"""The files that an experiment takes along and brings back, as globs name them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from cfiddle_slurm.bundle.archive import BundleError, Member, safe_path
from cfiddle_slurm.bundle.globs import find_inputs
from cfiddle_slurm.errors import InputError


def check_patterns(patterns: Iterable[str], what: str) -> tuple[str, ...]:
    """The globs, each known to stay inside the working directory.

    Args:
        patterns: globs relative to the working directory.
        what: the setting they come from, for the error's text.

    Raises:
        InputError: a glob is empty, absolute, or leaves the working directory.
    """
    checked = []
    for pattern in patterns:
        try:
            safe_path(pattern)
        except BundleError as error:
            raise InputError(
                f"{what} holds {pattern!r}, which does not stay inside the working directory.",
                hint="Give globs relative to the working directory, like 'data/*.txt'.",
                cause=error,
            ) from error
        checked.append(pattern)
    return tuple(checked)


def input_members(patterns: Iterable[str], folder: str) -> Iterator[Member]:
    """The files that globs name in the working directory; a folder means all files in it.

    Args:
        patterns: globs relative to the working directory.
        folder: the bundle's folder for them.

    Raises:
        InputError: a glob leaves the working directory or matches nothing.
    """
    seen: set[str] = set()
    for pattern in check_patterns(patterns, "input_files"):
        found = sorted(find_inputs(Path.cwd(), pattern))
        if not found:
            raise InputError(
                f"No input file matches {pattern!r} in {str(Path.cwd())!r}.",
                hint="input_files are globs relative to the working directory.",
            )
        for name in found:
            if name not in seen:
                seen.add(name)
                _check_name(name)
                yield Member(f"{folder}/{name}", Path(name).absolute())


def _check_name(name: str) -> None:
    """Refuse here what the sandbox would refuse, whose words would blame the machines."""
    try:
        safe_path(name)
    except BundleError as error:
        raise InputError(
            f"The input file {name!r} cannot travel: {error}", hint="Rename it.", cause=error
        ) from error

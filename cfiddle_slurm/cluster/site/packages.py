"""Python packages as ``cluster.toml`` names them, for the images: what may stand there.

The entries become lines of a requirements file (pip's "Requirements File Format"), never words of a
shell. What begins with ``/`` after :func:`located` is a file or folder of the administrator's.
"""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cfiddle_slurm.tables import key
from cfiddle_slurm.values import shown

_LONGEST = 500
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
# No backslash, which joins lines there, and no $, which begins a variable.
_URL = r"(?:git\+)?https?://[!#%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+"
_MARKER = r"(?:\s*;(?=.*(?:[<>=]| in ))\s*[A-Za-z0-9_.<>=!~()'\" ]+)?"
_REQUIREMENT = re.compile(
    rf"(?P<name>{_NAME})(?:\s*\[[A-Za-z0-9._, -]*\])?"
    rf"(?:\s+@\s+{_URL}|{_CLAUSE}(?:\s*,{_CLAUSE})*)?{_MARKER}"
)
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]{1,80}(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+:~-]{1,80})?")
_WHEEL = re.compile(
    r"([A-Za-z0-9._]+)-[A-Za-z0-9._+!]+(?:-[0-9][A-Za-z0-9_.]*)?(?:-[\w.]+){3}\.whl"
)
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+]*")
_FLAGS = frozenset(("--no-deps", "--no-index", "--pre", "--prefer-binary"))
_ADDRESSES = frozenset(("--extra-index-url", "--find-links", "--index-url"))
_WORDS = frozenset(("--no-binary", "--only-binary", "--trusted-host"))
_OPTIONS = ", ".join(sorted(_FLAGS | _ADDRESSES | _WORDS))
_PROJECT = ("pyproject.toml", "setup.py")
_ARCHIVES = (".tar.gz", ".whl", ".zip")
_OURS = frozenset(("cfiddle", "cfiddle-slurm"))
_WHAT = "package names, addresses, paths and options of pip"


def _is_path(entry: str) -> bool:
    """Whether pip takes it for a file or folder of this machine."""
    if "://" in entry:
        return False
    return "/" in entry or entry.startswith((".", "~")) or entry.endswith(_ARCHIVES)


def _checked_option(entry: str) -> str:
    name, value = [*re.split("[= ]", entry, maxsplit=1), ""][:2]
    if entry in _FLAGS:
        return entry
    if name in _ADDRESSES and re.fullmatch(_URL, value) and not value.startswith("git+"):
        return f"{name}={value}"
    if name in _WORDS and re.fullmatch(r"[A-Za-z0-9._,:-]+", value):
        return f"{name}={value}"
    if name in _ADDRESSES | _WORDS:
        what = "an http address" if name in _ADDRESSES else "a name"
        raise ValueError(f"holds {shown(entry)}, but after {name} must come {what}")
    raise ValueError(f"holds {shown(entry)}; of pip's options an image can use {_OPTIONS}")


def pip_entry(value: object) -> str:
    """An entry as pip takes it: a requirement, an address, a path, or one of some options.

    Raises:
        ValueError: something else.
    """
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise ValueError(f"must be a list of {_WHAT}")
    entry = value.strip()
    if len(entry) > _LONGEST:
        raise ValueError(f"holds {shown(entry)}, which is too long")
    if entry.startswith("-"):
        return _checked_option(entry)
    if _is_path(entry) or re.fullmatch(_URL + _MARKER, entry):
        return entry
    match = _REQUIREMENT.fullmatch(entry)
    if match is None:
        hint = "; git is reached by git+https://" if "://" in entry else ""
        raise ValueError(f"holds {shown(entry)}; it must be a list of {_WHAT}{hint}")
    if _normal(match["name"]) in _OURS:
        raise ValueError(f"holds {shown(entry)}, which the setting cfiddle and the kit choose")
    return entry


def _debian_name(value: object) -> str:
    if not isinstance(value, str) or not _DEBIAN.fullmatch(value):
        raise ValueError("must be a list of package names of Debian")
    return value


def _wheel_name(value: object) -> str:
    if not isinstance(value, str) or not value.endswith(".whl") or not value.isprintable():
        raise ValueError("must be a list of paths of wheels (*.whl)")
    return value


def _all(parse: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    def parse_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            parse(None)  # which says of what it must be a list
        return tuple(parse(one) for one in value)  # type: ignore[attr-defined]

    return parse_all


def cfiddle_entry(value: object) -> str:
    """What the setting ``cfiddle`` says: a version, or a path.

    Raises:
        ValueError: no text, or one that can be neither.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST:
        raise ValueError("must be a version like '0.6.1', or the path of a wheel or source folder")
    return value


@dataclass(frozen=True)
class Packages:
    """Further packages of an image.

    Attributes:
        apt: names in Debian.
        pip: entries as pip takes them.
        wheels: paths of wheels.
    """

    apt: tuple[str, ...] = key((), _all(_debian_name))
    pip: tuple[str, ...] = key((), _all(pip_entry))
    wheels: tuple[str, ...] = key((), _all(_wheel_name))

    @property
    def for_pip(self) -> tuple[str, ...]:
        """All that pip installs."""
        return (*self.pip, *self.wheels)


NO_PACKAGES = Packages()


def is_path(entry: str) -> bool:
    """Whether an entry that was :func:`located` is a file or folder, and no requirement."""
    return entry.startswith("/")


def located(packages: Packages, folder: Path) -> Packages:
    """The packages with the whole paths of their files, which are there and what they should be.

    Args:
        folder: what relative paths are relative to.

    Raises:
        ValueError: a file is missing or something else: half a sentence, after its setting's name.
    """

    def place(name: str, entry: str) -> str:
        if not _is_path(entry) or entry.startswith("-"):
            return entry
        try:
            path = _path(entry, folder)
            _check_project(path) if path.is_dir() else _check_archive(path)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error
        return str(path)

    return replace(
        packages,
        pip=tuple(place("pip", entry) for entry in packages.pip),
        wheels=tuple(place("wheels", entry) for entry in packages.wheels),
    )


def located_cfiddle(entry: str, folder: Path) -> str:
    """The setting ``cfiddle`` with the whole path, if it is one.

    Raises:
        ValueError: there is no such file, or it holds no CFiddle: half a sentence.
    """
    if not entry or _VERSION.fullmatch(entry):
        return entry
    path = _path(entry, folder)
    if path.is_dir():
        _check_project(path)
        return str(path)
    if not path.exists() and not _is_path(entry):
        raise ValueError(f"is neither a version like '0.6.1' nor a file or folder: {shown(entry)}")
    if _check_wheel(path) != "cfiddle":
        raise ValueError(f"names {str(path)!r}, which is the wheel of another package")
    return str(path)


def _path(entry: str, folder: Path) -> Path:
    try:
        return (folder / Path(entry).expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # a home of nobody, links in a circle
        raise ValueError(f"names {shown(entry)}, which is no path here") from error


def _normal(name: str) -> str:
    """A package's name in the one form that all its spellings share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_project(path: Path) -> None:
    if not any((path / name).is_file() for name in _PROJECT):
        raise ValueError(
            f"names the folder {str(path)!r}, which has neither {' nor '.join(_PROJECT)}"
        )


def _check_archive(path: Path) -> None:
    if path.suffix == ".whl":
        if _check_wheel(path) in _OURS:
            raise ValueError(
                f"names {str(path)!r}, but what is CFiddle's comes by the setting cfiddle"
            )
        return
    _check_file(path)
    if not path.name.endswith(_ARCHIVES):
        raise ValueError(f"names {str(path)!r}, which is neither a package nor a folder")


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ValueError(f"names {str(path)!r}, and there is no such file or folder")
    if not re.fullmatch(r"[A-Za-z0-9._+!-]+", path.name):
        raise ValueError(f"names {shown(path.name)}, which is no name of a package's file")


def _check_wheel(path: Path) -> str:
    """The name of the package in a wheel."""
    _check_file(path)
    match = _WHEEL.fullmatch(path.name)
    if match is None:
        raise ValueError(f"names {str(path)!r}, which is not called like a wheel")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"names {str(path)!r}, which is not a wheel") from error
    if not any(name.endswith(".dist-info/WHEEL") for name in names):
        raise ValueError(f"names {str(path)!r}, which is not a wheel")
    return _normal(match[1])

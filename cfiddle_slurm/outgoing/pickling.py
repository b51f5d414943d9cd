"""Pickle what goes to the sandbox, and know what the other side needs to load it."""

import io
import pickle
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.errors import InputError

_LEAN_PACKAGES = sys.stdlib_module_names | {"cfiddle"}
_PLAIN = (bool, int, float, complex, str, bytes)
_INSTALLED_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Pickled:
    """A pickle and the classes and functions that it names, as (module, qualified name)."""

    data: bytes
    names: frozenset[tuple[str, str]]

    @property
    def foreign(self) -> frozenset[tuple[str, str]]:
        """The names that are neither CFiddle's nor the standard library's."""
        return frozenset(name for name in self.names if _package(name[0]) not in _LEAN_PACKAGES)

    def names_package(self, package: str) -> bool:
        """Whether it names anything of a package."""
        return any(_package(module) == package for module, _ in self.names)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_numpy_scalar(kind: type) -> bool:
    return any((base.__module__, base.__name__) == ("numpy", "generic") for base in kind.__mro__)


class _NotingPickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self.names: set[tuple[str, str]] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType):
            self.names.add((obj.__module__, obj.__qualname__))
        elif _is_numpy_scalar(type(obj)):
            # A numpy number is an argument like any other; the sandbox has no numpy.
            value = obj.item()
            if isinstance(value, _PLAIN):
                return type(value), (value,)
        return NotImplemented


def dump(obj: object) -> Pickled:
    """Pickle an object.

    Raises:
        InputError: it cannot be pickled, or holds a class that was defined in the notebook.
    """
    stream = io.BytesIO()
    pickler = _NotingPickler(stream)
    try:
        pickler.dump(obj)
    except Exception as error:  # a class of the user's own may refuse in any way
        raise InputError(
            f"A part of the experiment cannot be sent to the cluster: {error}.",
            hint="Classes and functions must be defined at the top level of a module.",
            cause=error,
        ) from error
    for module, name in sorted(pickler.names):
        if module == "__main__":
            raise InputError(
                f"{name} is defined in the notebook (or script) itself, "
                "where the cluster cannot import it.",
                hint="Put it into a module, a .py file beside the notebook, and import it.",
            )
    return Pickled(stream.getvalue(), frozenset(pickler.names))


def user_modules(names: Iterable[tuple[str, str]], folder: str) -> list[Member]:
    """The source files of the user's own modules among the named ones.

    Args:
        names: as in :class:`Pickled`.
        folder: the bundle's folder for them.

    Returns:
        One member per file; for a module of a package, every ``.py`` file of the package.
    """
    packages = sorted({_package(module) for module, _ in names})
    members: list[Member] = []
    for package in packages:
        if package in _LEAN_PACKAGES or package == __name__.partition(".")[0]:
            continue
        module = sys.modules.get(package)
        origin = getattr(module, "__file__", None)
        if origin is None and getattr(module, "__path__", None):
            # A folder without an __init__.py is a package, too.
            origin = str(Path(next(iter(module.__path__)), "__init__.py"))  # type: ignore[union-attr]
        if origin is None or set(_INSTALLED_FOLDERS) & set(Path(origin).parts):
            continue
        members += _sources(Path(origin), folder)
    return members


def _sources(origin: Path, folder: str) -> list[Member]:
    if origin.name != "__init__.py":
        return [Member(f"{folder}/{origin.name}", origin)]
    top = origin.parent.parent
    return [
        Member(f"{folder}/{source.relative_to(top).as_posix()}", source)
        for source in sorted(origin.parent.rglob("*.py"))
    ]

"""The user's own modules that a run needs: what they import travels too, however deep."""

import ast
import dis
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType

from cfiddle_slurm.bundle.archive import Member

LEAN_PACKAGES = sys.stdlib_module_names | {"cfiddle", "cloudpickle"}
"""What the sandbox has in any case."""
_STAYS = LEAN_PACKAGES | {"__main__", "__mp_main__", __name__.partition(".")[0]}
_INSTALLED_FOLDERS = ("site-packages", "dist-packages")


def package_of(module: str) -> str:
    """The outermost package of a module, or the module itself."""
    return module.partition(".")[0]


def imports_of_code(code: CodeType) -> Iterator[str]:
    """The modules that a function imports when it is called, and those that its inner ones do."""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME" and step.argval:
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imports_of_code(constant)


def user_modules(modules: Iterable[str], folder: str) -> tuple[list[Member], set[str]]:
    """The source files of the user's own modules among these, and of all that they import.

    Args:
        modules: by their full names, in any order; those of others, and unknown ones, may be there.
        folder: the bundle's folder for them.

    Returns:
        A member per file (of a package, all ``.py`` files of the package), and the names of the
        outermost packages and modules that travel.
    """
    members: list[Member] = []
    travelling: set[str] = set()
    found = sorted({package_of(module) for module in modules})
    seen = set(found)
    for package in found:  # which grows
        origin = None if package in _STAYS else _origin(package)
        if origin is None or set(_INSTALLED_FOLDERS) & set(origin.parts):
            continue
        travelling.add(package)
        for source, name in _sources(origin):
            members.append(Member(f"{folder}/{name}", source))
            more = sorted({package_of(module) for module in _imports_of_source(source)} - seen)
            found += more
            seen.update(more)
    return members, travelling


def _origin(package: str) -> Path | None:
    """The file of a module; of a package its ``__init__.py``, whether that is there or not."""
    module = sys.modules.get(package)
    origin, path = getattr(module, "__file__", None), getattr(module, "__path__", None)
    if module is None:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        origin = spec.origin if spec.has_location else None
        path = spec.submodule_search_locations
    if origin is None:
        folder = next(iter(path or ()), None)
        return Path(folder, "__init__.py") if folder is not None else None
    return Path(origin)


def _sources(origin: Path) -> Iterator[tuple[Path, str]]:
    if origin.name != "__init__.py":
        yield origin, origin.name
        return
    for source in sorted(origin.parent.rglob("*.py")):
        yield source, source.relative_to(origin.parent.parent).as_posix()


def _imports_of_source(source: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # an extension module, or a file that nobody imports
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module

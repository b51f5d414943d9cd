"""Import the parts of CFiddle that execute a run, and nothing else.

``import cfiddle`` loads a thousand modules (pandas, networkx, IPython, …) and asks a compiler for
its name; executing a run needs about ten. So the package is entered without running its
``__init__``, and the libraries that only building, plotting and tables need are replaced by empty
stand-ins. That takes a run from 0.8 s to 0.06 s, and lets the sandbox do without a compiler.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

STAND_INS = frozenset(
    (
        "IPython",
        "click",
        "dill",
        "elftools",
        "ipywidgets",
        "matplotlib",
        "networkx",
        "numpy",
        "pandas",
        "pkg_resources",
        "pydot",
        "pytest",
        "r2pipe",
        "tqdm",
    )
)


class _Nothing:
    """Stands for any name of a stand-in module: may be called, and used as a decorator."""

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        if len(arguments) == 1 and callable(arguments[0]):
            return arguments[0]
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _StandIn(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()


def _resource_filename(package: str, path: str) -> str:
    """What CFiddle uses of ``pkg_resources``: the place of a package's data file."""
    return os.path.join(os.path.dirname(sys.modules[package].__file__ or ""), path)


class _StandInFinder:
    """A finder and loader of stand-in modules."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> Any:
        if name.partition(".")[0] in self._names:
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = _StandIn(spec.name)
        if spec.name == "pkg_resources":
            vars(module)["resource_filename"] = _resource_filename
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run: a stand-in has no content."""


def enter_cfiddle(*, full: bool) -> None:
    """Make ``import cfiddle.<module>`` work, without the price of ``import cfiddle``.

    Args:
        full: also give ``cfiddle`` its public names, for pickles that name a user's own classes;
            then only the libraries that are not installed get stand-ins.

    Raises:
        ModuleNotFoundError: CFiddle is not installed.
    """
    names = STAND_INS
    if full:
        names = frozenset(name for name in names if importlib.util.find_spec(name) is None)
    sys.meta_path.insert(0, _StandInFinder(names))
    spec = importlib.util.find_spec("cfiddle")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("cfiddle is not installed here")
    package = importlib.util.module_from_spec(spec)
    sys.modules["cfiddle"] = package
    if full:
        toolchain: Any = importlib.import_module("cfiddle.Toolchain")
        # CFiddle asks the compiler; there is none here, and Python knows the answer.
        toolchain.get_native_toolchain = multiarch
        spec.loader.exec_module(package)


def multiarch() -> str:
    """The machine's name in the form ``x86_64-linux-gnu``, under which libcfiddle.so lies."""
    known = getattr(sys.implementation, "_multiarch", "")
    return known or f"{os.uname().machine}-linux-gnu"

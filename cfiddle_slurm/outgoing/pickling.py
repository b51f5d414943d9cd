"""Pickle what goes to the sandbox, and know what the other side needs to load it.

What the sandbox can import goes by its name, all else by value: classes and functions of the
notebook, lambdas, what a function defines. There they are the student's own code, as everything is.
"""

import io
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cloudpickle

from cfiddle_slurm.errors import InputError
from cfiddle_slurm.outgoing.modules import LEAN_PACKAGES, imports_of_code, package_of

_PLAIN = (bool, int, float, complex, str, bytes)
_Pickler: Any = cloudpickle.Pickler


@dataclass(frozen=True)
class Pickled:
    """A pickle, and what it names or holds.

    Attributes:
        data: the pickle of a dictionary, to which ``by_value`` is added under that name.
        names: the classes, functions and modules (with an empty name) that it refers to, as
            (module, qualified name).
        by_value: the classes and functions that are in it themselves, in the order of the list.
    """

    data: bytes
    names: frozenset[tuple[str, str]]
    by_value: tuple[object, ...] = ()

    @property
    def valued(self) -> frozenset[tuple[str, str]]:
        """The names of what is in it by value."""
        return frozenset(map(_name_of, self.by_value))

    @property
    def foreign(self) -> frozenset[tuple[str, str]]:
        """The names that are neither CFiddle's nor the standard library's."""
        return frozenset(name for name in self.names if package_of(name[0]) not in LEAN_PACKAGES)

    def names_package(self, package: str) -> bool:
        """Whether it names anything of a package."""
        return any(package_of(module) == package for module, _ in self.names)


def _name_of(obj: Any) -> tuple[str, str]:
    return obj.__module__ or "__main__", obj.__qualname__


def _is_numpy_scalar(kind: type) -> bool:
    return any((base.__module__, base.__name__) == ("numpy", "generic") for base in kind.__mro__)


def _is_a_copy(obj: Any, module: types.ModuleType | None) -> bool:
    """Whether CFiddle has another class of this name: a delegate that uses dill makes copies."""
    known = getattr(module, "__dict__", {}).get(obj.__qualname__)
    return known is not None and known is not obj


class _NotingPickler(_Pickler):  # type: ignore[misc]
    def __init__(self, stream: io.BytesIO, stays: Callable[[object], bool]) -> None:
        super().__init__(stream, protocol=5)
        self.names: set[tuple[str, str]] = set()
        self.by_value: list[object] = []
        self._stays = stays

    def reducer_override(self, obj: Any) -> Any:
        if self._stays(obj):
            return type(None), ()
        if isinstance(obj, types.ModuleType):
            self.names.add((obj.__name__, ""))
        elif isinstance(obj, type | types.FunctionType):
            return self._class_or_function(obj)
        elif _is_numpy_scalar(type(obj)):
            # A numpy number is an argument like any other; the sandbox has no numpy.
            value = obj.item()
            if isinstance(value, _PLAIN):
                return type(value), (value,)
        return super().reducer_override(obj)

    def _class_or_function(self, obj: Any) -> Any:
        module = sys.modules.get(obj.__module__ or "")
        if package_of(obj.__module__ or "") == "cfiddle" and _is_a_copy(obj, module):
            self.names.add(_name_of(obj))
            return getattr, (module, obj.__qualname__)
        # cloudpickle says how by value, and that it leaves to pickle what can be imported.
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented or obj.__module__ == "builtins":
            self.names.add(_name_of(obj))
            return reduced
        self.by_value.append(obj)
        if isinstance(obj, types.FunctionType):
            self.names.update((module, "") for module in imports_of_code(obj.__code__))
        return reduced


def dump(content: dict[str, object], stays: Callable[[object], bool] = lambda _: False) -> Pickled:
    """Pickle what a run takes along.

    Args:
        content: by name; ``by_value`` is added to it.
        stays: says of an object whether it stays here; in the sandbox there is None in its place.

    Raises:
        InputError: it cannot be pickled.
    """
    stream = io.BytesIO()
    pickler = _NotingPickler(stream, stays)
    try:
        # The list comes last, and is by then as long as it gets.
        pickler.dump({**content, "by_value": pickler.by_value})
    except Exception as error:  # a class of the user's own may refuse in any way
        raise InputError(
            f"A part of the experiment cannot be sent to the cluster: {error}.",
            hint="Files, locks, connections and whatever else belongs to this process stay here. "
            "Does an argument, or a global variable that your function uses, hold one?",
            cause=error,
        ) from error
    return Pickled(stream.getvalue(), frozenset(pickler.names), tuple(pickler.by_value))

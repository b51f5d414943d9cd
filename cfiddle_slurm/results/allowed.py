"""The classes that pickled results are made of, by module and name."""

import importlib
import sys
from collections.abc import Collection
from enum import Enum, Flag

from cfiddle_slurm.rebuilt import exception_class

ALLOWED = {
    "cfiddle.Data": {"InvocationResultsList"},
    "cfiddle.Runner": {"InvocationResult"},
    # As a rule pickle has opcodes of its own for these; by name they come as default factories.
    "builtins": {
        "bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "object",
        "range", "set", "slice", "str", "tuple",
    },
    "_io": {"BytesIO", "StringIO"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},
    "uuid": {"UUID"},
}  # fmt: skip
_ANY = "*"
_EXCEPTION_PACKAGES = sys.stdlib_module_names | {"cfiddle"}


def class_of(module: str, name: str) -> type | None:
    """A known module's class of that name, or None; never a function, nor by a dotted name."""
    if module not in sys.modules:
        try:
            importlib.import_module(module)
        except ImportError:
            return None
    return loaded(module, name)


def whole_module(name: str) -> tuple[str, str]:
    """Stands, among the names that the caller sent, for all classes of a module or package."""
    return name, _ANY


def class_of_sent_module(module: str, name: str, extra: Collection[tuple[str, str]]) -> type | None:
    """A class that a loaded module, whose source was sent, defines itself.

    Those do not count that would run code of their own when an object is filled, or goes away: the
    caller did not send one, so nothing says that they are of the kind that may be written by
    strangers.
    """
    found = loaded(module, name) if whole_module(module.partition(".")[0]) in extra else None
    if found is None or found.__module__ != module:
        return None
    own = any(hasattr(found, method) for method in ("__del__", "__setstate__"))
    return None if own else found


def enum_member(kind: type[Enum], arguments: tuple[object, ...]) -> Enum | None:
    """The member that a name, or a flag's bits, stand for; nothing of the class's own runs."""
    match arguments:
        case (str() as name,) if not issubclass(kind, Flag):
            return kind._member_map_.get(name)
        case (int() as bits,) if issubclass(kind, Flag):
            known = kind._value2member_map_.get(bits)
            try:
                return known or Flag._missing_.__func__(kind, bits)  # type: ignore[attr-defined]
            except ValueError:
                return None
    return None


def loaded(module: str, name: str) -> type | None:
    """The same of a module that is loaded already; what is not is not imported for a stranger."""
    # Not asked for: a module may have code for names that it does not have (PEP 562).
    found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return found if isinstance(found, type) else None


def exception_of(
    module: str, name: str, extra: Collection[tuple[str, str]]
) -> type[Exception] | None:
    """An exception's class, of those that are loaded and may be made here.

    Args:
        module, name: of the class: of the standard library's, CFiddle's or a sent package's.
        extra: the classes, as (module, name), that the caller itself sent.
    """
    package = module.partition(".")[0]
    sent = {known.partition(".")[0] for known, _ in extra}
    if package in _EXCEPTION_PACKAGES or package in sent:
        return exception_class(loaded(module, name))
    return None

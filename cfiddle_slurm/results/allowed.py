"""The classes that results are made of, by module and name: what a CFiddle run has, and a call."""

import importlib
import sys

ALLOWED = {
    "cfiddle.Data": {"InvocationResultsList"},
    "cfiddle.Runner": {"InvocationResult"},
    "collections": {"OrderedDict"},
    "builtins": {"complex"},
}
CALL_ALLOWED = {
    **ALLOWED,
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


def class_of(module: str, name: str) -> type | None:
    """A known module's class of that name, or None; never a function, nor by a dotted name."""
    if module not in sys.modules:
        try:
            importlib.import_module(module)
        except ImportError:
            return None
    return loaded(module, name)


def loaded(module: str, name: str) -> type | None:
    """The same of a module that is loaded already; what is not is not imported for a stranger."""
    # Not asked for: a module may have code for names that it does not have (PEP 562).
    found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return found if isinstance(found, type) else None

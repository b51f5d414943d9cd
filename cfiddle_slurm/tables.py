"""TOML tables whose keys are a dataclass's fields, each with its parser in the field's metadata.

Settings, the sandbox policy and ``cluster.toml`` are read here, so that they speak one language and
what is wrong in one of them is told in the same words.
"""

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from cfiddle_slurm.values import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Parser = Callable[[object], Any]
"""Makes of a value what the program uses, or raises a ValueError: "must be ...", "holds ..."."""


class TableError(ValueError):
    """A file is no table, or holds what it must not: one sentence, and a hint that may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.message, self.hint = message, hint


def key(default: Any, parse: Parser, *, optional: bool = False) -> Any:
    """A field of a dataclass that is a key of a table; one that is optional may be None."""

    def checked(value: object) -> Any:
        return None if optional and value is None else parse(value)

    return field(default=default, metadata={"parse": checked})


def subtable(name: str, kind: Callable[[], Any]) -> dict[str, Any]:
    """The metadata of a dataclass's field that is a table ``[name]`` in a table."""
    return {"table": kind, "name": name}


def parsers(kind: Any) -> dict[str, Parser]:
    """The keys of a dataclass's table that are no tables themselves."""
    return {each.name: each.metadata["parse"] for each in fields(kind) if "parse" in each.metadata}


def keys(kind: Any) -> tuple[str, ...]:
    """All keys of a dataclass's table."""
    return tuple(each.metadata.get("name", each.name) for each in fields(kind))


def parse(text: str, where: str) -> dict[str, Any]:
    """The table that a text is.

    Raises:
        TableError: the text is no TOML.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also what is nested or a number without end
        raise TableError(f"{_begun(where)} is not valid TOML: {error}.") from error
    return table


def read(file: Path, where: str) -> dict[str, Any] | None:
    """The table in a file; None if there is no such file.

    Args:
        where: what the file is, for errors: ``the settings file /etc/x.toml``.

    Raises:
        TableError: the file cannot be read, or is no TOML.
    """
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise TableError(f"{_begun(where)} cannot be read: {error}.") from error
    return parse(text, where)


def checked(table: Mapping[str, Any], kind: Any, where: str) -> dict[str, Any]:
    """A table's values as a dataclass takes them.

    Args:
        kind: the dataclass, whose fields are made by :func:`key` and :func:`subtable`.
        where: the table's place, for errors: ``the file /etc/x.toml``.

    Raises:
        TableError: an unknown key or a wrong value.
    """
    known = {each.metadata.get("name", each.name): each for each in fields(kind)}
    found = {}
    for name, value in table.items():
        if name not in known:
            raise _unknown(name, known, where)
        each = known[name]
        if "table" not in each.metadata:
            found[each.name] = value_of(name, each.metadata["parse"], value, where)
        elif isinstance(value, dict):
            inner = each.metadata["table"]
            found[each.name] = inner(**checked(value, inner, f"[{name}] of {where}"))
        else:
            raise TableError(f"The setting {name} must be a table like [{name}] (in {where}).")
    return found


def value_of(name: str, parse: Parser, value: object, where: str = "") -> Any:
    """One value as the program uses it.

    Raises:
        TableError: the value is wrong.
    """
    try:
        return parse(value)
    except ValueError as error:
        place = f" (in {where})" if where else ""
        # What a list must not hold has been shown already.
        but = "" if str(error).startswith("holds ") else f", not {shown(value)}"
        raise TableError(f"The setting {name} {error}{but}{place}.") from error


def _unknown(name: str, known: Iterable[str], where: str) -> TableError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return TableError(
        f"There is no setting {shown(name)} (in {where}).",
        f"{meant}The settings are {', '.join(known)}.",
    )


def _begun(where: str) -> str:
    return where[:1].upper() + where[1:]

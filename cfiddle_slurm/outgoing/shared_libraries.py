"""What a compiled library has, and what it needs of the machine that loads it."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm.errors import InputError
from cfiddle_slurm.settings import Settings

_CFIDDLES = "libcfiddle.so"
"""In the sandbox, too, beside CFiddle: the loader finds it by LD_LIBRARY_PATH."""
_SEARCHED = "LD_LIBRARY_PATH"
_OF_ALL_MACHINES = ("/lib", "/opt", "/usr")


@dataclass(frozen=True)
class SharedLibrary:
    """A shared library, as its file describes it.

    Attributes:
        exports: names of the functions and variables that it has itself.
        missing: names of those that others must have when it is loaded.
        needs: the libraries that it is linked with (DT_NEEDED), in their order.
        searches: folders in which the loader is to look for them, too (DT_RPATH, DT_RUNPATH).
    """

    exports: frozenset[str]
    missing: frozenset[str]
    needs: tuple[str, ...]
    searches: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def read(library: Path, _modified: int) -> SharedLibrary:
    """What is in a shared library's file.

    Raises:
        InputError: the file is not a shared library.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with library.open("rb") as stream:
            file: Any = ELFFile(stream)
            table = file.get_section_by_name(".dynsym")
            symbols = list(table.iter_symbols()) if table is not None else []
            tags = list(_tags(file.get_section_by_name(".dynamic")))
    except ELFError as error:
        raise InputError(f"{str(library)!r} is not a shared library: {error}.") from error
    return SharedLibrary(
        frozenset(symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"),
        # What is undefined and weak may stay so.
        frozenset(
            symbol.name
            for symbol in symbols
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
        ),
        tuple(value for tag, value in tags if tag == "DT_NEEDED"),
        tuple(
            folder
            for tag, value in tags
            if tag in ("DT_RPATH", "DT_RUNPATH")
            for folder in value.split(":")
        ),
    )


def _tags(section: Any) -> Iterator[tuple[str, str]]:
    """The texts of a dynamic section; none of a file that has no such section."""
    names = {"DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
    for tag in section.iter_tags() if section is not None else ():
        if tag.entry.d_tag in names:
            yield tag.entry.d_tag, getattr(tag, names[tag.entry.d_tag])


def check_needs(invocations: Iterable[Any], settings: Settings) -> None:
    """Refuse compiled libraries that need a shared library which the sandbox does not have.

    Where it is not known what the sandbox has, nothing is refused: on this machine, in an image of
    the user's choice, at a site that does not say.

    Raises:
        InputError: one needs such a library, or is none itself.
    """
    known = settings.sandbox_libraries
    ours = settings.image is None or settings.image in settings.allowed_images[:1]
    if settings.scheduler != "slurm" or not known or not ours:
        return
    seen: set[str] = set()
    for invocation in invocations:
        place = invocation.executable.lib
        if place in seen or _SEARCHED in invocation.run_options:
            continue
        seen.add(place)
        found = read(Path(place), Path(place).stat().st_mtime_ns)
        name = missing(found, known)
        if name is not None:
            raise InputError(
                f"The compiled library of {invocation.executable.build_spec.source_file} needs "
                f"{name}, which the sandbox does not have.",
                hint="Whoever runs the cluster can add its Debian package: apt in "
                "[sandbox_packages] of cluster.toml, and then `update`.",
            )


def missing(library: SharedLibrary, known: Sequence[str]) -> str | None:
    """The first library that is needed and that the sandbox does not have, or None. Pure.

    What the loader is told to look for in a folder that the sandbox may have, or beside the
    library, may be there.
    """
    if any(_may_be_there(folder) for folder in library.searches):
        return None
    has = {_CFIDDLES, *known}
    return next((name for name in library.needs if "/" not in name and name not in has), None)


def _may_be_there(folder: str) -> bool:
    if not folder.startswith("/"):
        return bool(folder)
    return any(folder == top or folder.startswith(f"{top}/") for top in _OF_ALL_MACHINES)

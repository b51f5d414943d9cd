"""The guest with one wall less, in a container: ``python3 -I weak_guest.py WALL``."""

import importlib
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cfiddle_slurm.sandbox.guest import __main__ as guest

_NO_SUCH_OPTION = 9999
_GUEST = "cfiddle_slurm.sandbox.guest.__main__"


def replace(module: str, name: str, value: Any) -> None:
    """Put something else in the place of what a module has.

    Raises:
        AttributeError: it has no such thing any more, so that this takes no wall away.
    """
    found: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        found = getattr(found, part)
    getattr(found, last)
    setattr(found, last, value)


def can_be_looked_into() -> None:
    """Other processes of its account may trace it, and open what it has open."""
    replace(_GUEST, "_PR_SET_DUMPABLE", _NO_SUCH_OPTION)


def unpacks_anything() -> None:
    """Whatever is in the bundle is unpacked, wherever its name leads, through links, too."""

    def read(
        stream: BinaryIO, *, max_bytes: int
    ) -> Iterator[tuple[str, tarfile.TarInfo, BinaryIO]]:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                content = tar.extractfile(info) if info.isfile() else None
                if content is None:
                    if info.issym():
                        place = Path(guest.DEFAULT_WORK, info.name)
                        place.parent.mkdir(parents=True, exist_ok=True)
                        place.symlink_to(info.linkname)
                    continue
                yield info.name, info, content  # type: ignore[misc]

    def write(directory: Path, name: str, content: Any, *, mode: int = 0o644) -> Path:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read())
        return target

    replace("cfiddle_slurm.bundle.manifest", "read_tar", read)
    replace("cfiddle_slurm.bundle.manifest", "write_below", write)
    replace("cfiddle_slurm.bundle.archive", "safe_path", str)


def takes_anything_home() -> None:
    """Output files may be of any kind, and links are followed."""

    def found(directory: Path, patterns: Any) -> Iterator[str]:
        for pattern in patterns:
            for path in sorted(directory.glob(pattern)):
                if not path.is_dir():
                    yield path.relative_to(directory).as_posix()

    def opened(path: Path) -> BinaryIO:
        return open(path, "rb")

    replace("cfiddle_slurm.bundle.archive", "open_regular", opened)
    replace(_GUEST, "find_outputs", found)


WALLS = {
    "privacy": can_be_looked_into,
    "bundles": unpacks_anything,
    "outputs": takes_anything_home,
}

if __name__ == "__main__":
    WALLS[sys.argv[1]]()
    guest.main()

"""The newer CFiddle's own way to have a run carried out elsewhere.

Its ``SelfContainedExecutionMethod`` packs what a run needs into itself, has a delegate call its
method ``_do_execution``, and unpacks what it finds in itself afterwards: it writes every file that
is named there, sets the rights that are written there, and loads the results, whatever they are.
So it never finds what the sandbox wrote, but what was read of it here.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Collection
from typing import Any, BinaryIO, cast

from cfiddle_slurm.bundle.archive import BundleError, safe_path
from cfiddle_slurm.bundle.globs import matches
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.results.records import load_one

_MODULE, _CLASS = "cfiddle.SelfContainedExecutionMethod", "SelfContainedExecutionMethod"
_MANIFEST = ".__manifest__"
_MOST_BYTES = 1 << 30
"""Of all files together."""


def is_self_contained(obj: Any, method: str) -> bool:
    """Whether this call is CFiddle's, to carry out its runner."""
    return method == "_do_execution" and any(
        (base.__module__, base.__qualname__) == (_MODULE, _CLASS) for base in type(obj).__mro__
    )


def pack_results(obj: Any, results: Any, files: dict[str, bytes] | None = None) -> None:
    """Put results where CFiddle unpacks them: as the file that it will load.

    Args:
        obj: CFiddle's object, which is given what the call would have left in it.
        results: the run's results, as CFiddle's list.
        files: output files by name, if they are not where they belong already.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in (files or {}).items():
            archive.writestr(name, content)
        archive.writestr(_results_file(obj), pickle.dumps(results))
        archive.writestr(_MANIFEST, json.dumps({}))  # nothing about files' times and rights
    obj._outputs_file = packed


def read_results(obj: Any, packed: BinaryIO, extra: Collection[tuple[str, str]]) -> None:
    """Read what CFiddle's method packed in the sandbox, and pack of it what CFiddle may unpack.

    Args:
        obj: as for :func:`pack_results`.
        packed: what came back in its place.
        extra: the classes, as (module, name), that were sent.

    Raises:
        ResultRejected: it is no such archive, is too large, or its results are not acceptable.
    """
    results = _results_file(obj)
    wanted = [glob for one in obj._runner.get_invocations() for glob in one.compute_output_files()]
    try:
        with zipfile.ZipFile(packed) as archive:
            names = [name for name in archive.namelist() if _is_wanted(name, wanted)]
            if sum(archive.getinfo(name).file_size for name in (*names, results)) > _MOST_BYTES:
                raise ResultRejected(f"The results take more than {_MOST_BYTES >> 30} GiB.")
            files = {name: archive.read(name) for name in names}
            found = load_one(cast(BinaryIO, archive.open(results)), extra)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError, NotImplementedError) as error:
        raise ResultRejected("The results are no archive of CFiddle's.", cause=error) from error
    pack_results(obj, found, files)


def _results_file(obj: Any) -> str:
    """Its name in the working directory, from the command that CFiddle would carry out."""
    return str(obj._command[obj._command.index("--results") + 1])


def _is_wanted(name: str, patterns: list[str]) -> bool:
    try:
        return matches(safe_path(name), patterns)
    except BundleError:
        return False

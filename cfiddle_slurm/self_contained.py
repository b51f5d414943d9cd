"""The newer CFiddle's own way to have a run carried out elsewhere.

Its ``SelfContainedExecutionMethod`` packs what a run needs into itself, has a delegate call its
method ``_do_execution``, and unpacks what it finds in itself afterwards: it writes every file that
is named there, sets the rights that are written there, and loads the results, whatever they are.
So it never finds what the sandbox wrote, but what was read of it here.
"""

import copy
import io
import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, cast

import cloudpickle
from cfiddle.config import peek_config

from cfiddle_slurm.bundle.archive import BundleError, safe_path
from cfiddle_slurm.bundle.globs import find_outputs, matches
from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.outgoing.cfiddle_task import STAYS_HOME, asked_for, travelling_runner
from cfiddle_slurm.outgoing.pickling import dump
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


def travelling(obj: Any) -> Any:
    """A copy of CFiddle's object, in which the runner is one that the sandbox can load.

    CFiddle pickles it with dill, which takes along the delegates, and copies of classes.
    """
    packed, runner = io.BytesIO(), _file(obj, "--runner")
    config = {key: value for key, value in peek_config().items() if key not in STAYS_HOME}
    pickled = dump({"config": config, "runner": travelling_runner(obj._runner)})
    with zipfile.ZipFile(obj._inputs_file) as given, zipfile.ZipFile(packed, "w") as archive:
        for name in given.namelist():
            archive.writestr(name, pickled.data if name == runner else given.read(name))
    traveller = copy.copy(obj)
    traveller._inputs_file, traveller._runner = packed, travelling_runner(obj._runner)
    return traveller


def bring_inputs(obj: Any) -> bool:
    """Unpack what CFiddle packed, where that is not: a delegate may have changed the directory.

    Returns:
        Whether that was necessary.
    """
    libraries = {Path(one.executable.lib) for one in obj._runner.get_invocations()}
    if all(library.exists() for library in libraries):
        return False
    with zipfile.ZipFile(obj._inputs_file) as archive:
        archive.extractall()  # the notebook's own
    return True


def output_files(obj: Any) -> dict[str, bytes]:
    """The files of the working directory that CFiddle asks for, by name."""
    return {name: Path(name).read_bytes() for name in find_outputs(Path.cwd(), _wanted(obj))}


def _wanted(obj: Any) -> list[str]:
    return asked_for(obj._runner.get_invocations(), "extra_output_files")


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
        # By value what is a copy here, as the list's class is behind a delegate that uses dill.
        archive.writestr(_file(obj, "--results"), cloudpickle.dumps(results))
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
    results = _file(obj, "--results")
    wanted = _wanted(obj)
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


def _file(obj: Any, option: str) -> str:
    """Its name in the working directory, from the command that CFiddle would carry out."""
    return str(obj._command[obj._command.index(option) + 1])


def _is_wanted(name: str, patterns: list[str]) -> bool:
    try:
        return matches(safe_path(name), patterns)
    except BundleError:
        return False

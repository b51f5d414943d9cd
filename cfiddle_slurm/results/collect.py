"""Bring a run's results home: check every byte first, write only what was declared."""

import io
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from cfiddle_slurm.bundle.archive import BundleError, read_tar, write_below
from cfiddle_slurm.bundle.globs import matches
from cfiddle_slurm.bundle.layout import OUTPUTS, RESULTS
from cfiddle_slurm.errors import (
    CFiddleSlurmError,
    InputError,
    ResultMissing,
    ResultRejected,
    home_trouble,
)
from cfiddle_slurm.notices import tell
from cfiddle_slurm.obeyed import is_obeyed_file
from cfiddle_slurm.results.records import Records, read_records

Reader = Callable[[Iterator[BinaryIO]], Records]
MAX_BYTES = 64 << 30
"""A bound against nonsense only: the sandbox policy limits the result stream."""


def collect(
    archive: Path, home: Path, *, outputs: Collection[str], read: Reader = read_records
) -> Records:
    """Read a result stream's records, then write its output files.

    Args:
        archive: the result stream; absent when the run ended before it had one.
        home: the working directory, below which output files are written.
        outputs: globs of the output files that were asked for.
        read: takes the record streams.

    Returns:
        The records. Output files that cannot be written do not take them away: why they cannot
        is in ``unwritten``.

    Raises:
        ResultRejected: the stream is broken, or holds anything but what a run may send; then
            nothing is written, except where only a link in the working directory is in the way.
        ResultMissing: the stream cannot be read.
    """
    try:
        opened = archive.open("rb")
    except FileNotFoundError:
        return Records(results=[], values=[])
    try:
        with opened as stream:
            records = read(_records(stream, outputs))
            stream.seek(0)
            records.unwritten = _write_outputs(stream, home)
    except BundleError as error:
        raise ResultRejected(f"The results were not accepted: {error}", cause=error) from error
    except OSError as error:
        raise ResultMissing(f"The result file cannot be read: {error}.", cause=error) from error
    return records


def _write_outputs(stream: BinaryIO, home: Path) -> CFiddleSlurmError | None:
    """Write the output files; what keeps one from being written, or None."""
    trouble: CFiddleSlurmError | None = None
    for name, info, content in read_tar(stream, max_bytes=MAX_BYTES):
        if not name.startswith(f"{OUTPUTS}/"):
            continue
        target = name.removeprefix(f"{OUTPUTS}/")
        try:
            # What runs there is the student's program: executable or not is its matter,
            # set-user-id bits are not.
            write_below(home, target, content, mode=0o644 | (info.mode & 0o111))
        except OSError as error:
            if trouble is None:
                trouble = home_trouble(error) or InputError(
                    f"The output file {target!r} could not be written: {error.strerror or error}.",
                    hint="Look at the working directory: may you write there, and is no folder in "
                    "its place?",
                    cause=error,
                )
            continue
        if is_obeyed_file(target):
            tell(
                f"the experiment wrote {target!r}, as output_files asks; programs may run or obey "
                "such a file by themselves: look into it."
            )
    return trouble


def _records(stream: BinaryIO, outputs: Collection[str]) -> Iterator[BinaryIO]:
    """The record streams in order; on the way everything else is checked, too."""
    for name, _, content in read_tar(stream, max_bytes=MAX_BYTES):
        folder, _, rest = name.partition("/")
        if folder == RESULTS and rest.isdecimal():
            yield io.BufferedReader(content)  # type: ignore[type-var]
        elif not (folder == OUTPUTS and matches(rest, outputs)):
            raise BundleError(f"The file {name!r} was not asked for.")

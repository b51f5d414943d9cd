"""Bring a run's results home: check every byte first, write only what was declared."""

import io
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from cfiddle_slurm.bundle.archive import BundleError, read_tar, write_below
from cfiddle_slurm.bundle.globs import matches
from cfiddle_slurm.bundle.layout import OUTPUTS, RESULTS
from cfiddle_slurm.errors import CFiddleSlurmError, ResultRejected
from cfiddle_slurm.job_directory import home_trouble
from cfiddle_slurm.obeyed import is_obeyed_file
from cfiddle_slurm.results.records import Records, read_records

MAX_BYTES = 64 << 30
"""A bound against nonsense only: the sandbox policy limits the result stream."""


def collect(
    archive: Path,
    home: Path,
    *,
    outputs: Collection[str],
    invocations: Sequence[Any] = (),
    extra: Collection[tuple[str, str]] = (),
) -> Records:
    """Read a result stream's records, then write its output files.

    Args:
        archive: the result stream; absent when the run ended before it had one.
        home: the working directory, below which output files are written.
        outputs: globs of the output files that were asked for.
        invocations, extra: as in :func:`cfiddle_slurm.results.records.read_records`.

    Raises:
        ResultRejected: the stream is broken, or holds anything but what a run may send;
            then nothing is written.
        HomeUnwritable: there is no room for the output files.
    """
    try:
        opened = archive.open("rb")
    except FileNotFoundError:
        return Records(results=[], values=[])
    try:
        with opened as stream:
            records = read_records(_records(stream, outputs), invocations, extra)
            stream.seek(0)
            for name, info, content in read_tar(stream, max_bytes=MAX_BYTES):
                if name.startswith(f"{OUTPUTS}/"):
                    # What runs there is the student's program: executable or not is its matter,
                    # set-user-id bits are not.
                    target = name.removeprefix(f"{OUTPUTS}/")
                    write_below(home, target, content, mode=0o644 | (info.mode & 0o111))
                    _tell_if_obeyed(target)
    except BundleError as error:
        raise ResultRejected(f"The results were not accepted: {error}", cause=error) from error
    except OSError as error:
        trouble: CFiddleSlurmError | None = home_trouble(error)
        raise trouble or ResultRejected(
            f"The results could not be stored: {error}.", cause=error
        ) from error
    return records


def _tell_if_obeyed(target: str) -> None:
    if is_obeyed_file(target):
        print(
            f"cfiddle_slurm: the experiment wrote {target!r}, as output_files asks; programs may "
            "run or obey such a file by themselves: look into it.",
            file=sys.stderr,
            flush=True,
        )


def _records(stream: BinaryIO, outputs: Collection[str]) -> Iterator[BinaryIO]:
    """The record streams in order; on the way everything else is checked, too."""
    for name, _, content in read_tar(stream, max_bytes=MAX_BYTES):
        folder, _, rest = name.partition("/")
        if folder == RESULTS and rest.isdecimal():
            yield io.BufferedReader(content)  # type: ignore[type-var]
        elif not (folder == OUTPUTS and matches(rest, outputs)):
            raise BundleError(f"The file {name!r} was not asked for.")

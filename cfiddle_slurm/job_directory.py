"""A run's directory on the shared home: what lies in it, and who removes it when."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cfiddle_slurm.archive import Member, write_tar
from cfiddle_slurm.errors import InputError, SettingsError
from cfiddle_slurm.sandbox.protocol import ProtocolError, parse_json

BUNDLE = "bundle.tar"
REQUEST = "request.json"
STARTED = "started.json"
OUTPUT = "output.log"
RESULT = "result.tar"
REPORT = "report.json"
FAILED = "failed.txt"
"""Why the run failed; its presence says that nobody works in the directory any more."""

_MAX_REPORT = 1 << 20


def new_run_id() -> str:
    """16 random hexadecimal digits."""
    return secrets.token_hex(8)


class JobDirectory:
    """The files through which notebook and worker talk.

    Args:
        path: ``<jobs directory>/<run id>``; made by :meth:`create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, jobs_directory: Path, run_id: str) -> "JobDirectory":
        """Make the directory, private to its owner.

        Raises:
            SettingsError: the jobs directory cannot be written.
        """
        directory = cls(jobs_directory / run_id)
        try:
            jobs_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.path.mkdir(mode=0o700)
        except OSError as error:
            raise SettingsError(
                f"The jobs directory {str(jobs_directory)!r} cannot be used: {error.strerror}.",
                hint="Set jobs_directory to a folder of yours on the shared home.",
                cause=error,
            ) from error
        return directory

    def stage(self, members: Iterable[Member], request: Mapping[str, Any]) -> None:
        """Write the bundle, then the request.

        Raises:
            InputError: an input file cannot be read, or there is no room for the bundle.
            BundleError: an input changed while it was read.
        """
        try:
            with (self.path / BUNDLE).open("wb") as stream:
                write_tar(stream, members)
            (self.path / REQUEST).write_text(json.dumps(request))
        except OSError as error:
            raise InputError(f"The run could not be prepared: {error}.", cause=error) from error

    def has_started(self) -> bool:
        """Whether the worker has taken the run."""
        return self._modified(STARTED) is not None

    def report(self) -> dict[str, Any] | None:
        """The final report, or None while there is none.

        Raises:
            ProtocolError: what is there is no report.
        """
        raw = self._read(REPORT)
        return None if raw is None else parse_json(raw)

    def times(self) -> tuple[float, float | None, float | None, float]:
        """When the run was submitted, started, over, and when this was asked: seconds.

        All four are the file server's time, so that no two clocks are compared.
        """
        submitted = self._modified(REQUEST) or 0.0
        started, over = self._modified(STARTED), self._modified(REPORT)
        os.utime(self.path / REQUEST)
        return submitted, started, over, self._modified(REQUEST) or submitted

    def refresh(self) -> None:
        """Make a network file system forget what it believes to be absent here.

        A client may cache that a name does not exist; a change of the directory made by itself
        ends that at once (nfs(5), "Directory entry caching").
        """
        probe = self.path / ".probe"
        with contextlib.suppress(OSError):
            probe.touch()
            probe.unlink()

    def output_since(self, offset: int, limit: int) -> bytes:
        """What the experiment has printed from a byte offset on, at most ``limit`` bytes."""
        try:
            with (self.path / OUTPUT).open("rb", buffering=0) as stream:
                stream.seek(offset)
                return stream.read(limit)
        except FileNotFoundError:
            return b""

    def remove(self) -> None:
        """Remove the directory and all in it."""
        # A job that was cancelled may still close a file while this works.
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def keep(self, reason: str, newest: int) -> None:
        """Keep the directory for a look at it, and remove older ones beyond the newest few."""
        with contextlib.suppress(OSError):
            (self.path / FAILED).write_text(f"{reason}\n")
        kept = sorted(
            ((modified, path) for path in self.path.parent.iterdir()
             if (modified := JobDirectory(path)._modified(FAILED)) is not None),
            reverse=True,
        )  # fmt: skip
        for _, path in kept[newest:]:
            JobDirectory(path).remove()

    def _modified(self, name: str) -> float | None:
        try:
            # Opening asks the server; a plain stat may be answered from a cache (nfs(5)).
            with (self.path / name).open("rb") as stream:
                return os.fstat(stream.fileno()).st_mtime
        except OSError:
            return None

    def _read(self, name: str) -> bytes | None:
        try:
            with (self.path / name).open("rb") as stream:
                raw = stream.read(_MAX_REPORT + 1)
        except FileNotFoundError:
            return None
        if len(raw) > _MAX_REPORT:
            raise ProtocolError(f"{name} is longer than {_MAX_REPORT} bytes.")
        return raw

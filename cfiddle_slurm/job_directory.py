"""A run's directory on the shared home: what lies in it, and who removes it when."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cfiddle_slurm.bundle.archive import Member, write_tar
from cfiddle_slurm.bundle.layout import BUNDLE, FAILED, OUTPUT, OWNER, REPORT, REQUEST, STARTED
from cfiddle_slurm.errors import (
    HomeUnwritable,
    InputError,
    SettingsError,
    home_trouble,
)
from cfiddle_slurm.heartbeat import heart
from cfiddle_slurm.sandbox.claim import BEATS
from cfiddle_slurm.sandbox.protocol import ProtocolError, parse_json

_MAX_REPORT = 1 << 20
_PROBE_BYTES = 64 << 10
_FOREIGN_SECONDS = 86400.0
"""Another host's locks are believed to be seen here, but not at once: not every NFS shows them."""


def new_run_id() -> str:
    """16 random hexadecimal digits."""
    return secrets.token_hex(8)


class JobDirectory:
    """The files through which notebook and worker talk.

    Args:
        path: ``<jobs directory>/<run id>``; made by :meth:`create`.

    Attributes:
        kept_for: why it stays after a run that ended well, or None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept_for: str | None = None
        self._owner: int | None = None

    @classmethod
    def create(cls, jobs_directory: Path, run_id: str, *, beats: bool = True) -> "JobDirectory":
        """Make the directory, private to its owner.

        Args:
            jobs_directory, run_id: where, and for which run.
            beats: whether the job is not to start when this process has not been heard of.

        Raises:
            SettingsError: the jobs directory cannot be written.
            HomeUnwritable: nothing can.
        """
        directory = cls(jobs_directory / run_id)
        try:
            jobs_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.path.mkdir(mode=0o700)
            directory._own(beats=beats)
        except OSError as error:
            raise home_trouble(error) or SettingsError(
                f"The jobs directory {str(jobs_directory)!r} cannot be used: {error.strerror}.",
                hint="Set jobs_directory to a folder of yours on the shared home.",
                cause=error,
            ) from error
        return directory

    def _own(self, *, beats: bool) -> None:
        """Let others know for how long somebody waits for the run: the kernel ends the lock.

        Network file systems have such locks, too (flock(2), "NFS details"). Without them nobody
        can know, and the directory is left alone.
        """
        self._owner = os.open(self.path / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):
            fcntl.flock(self._owner, fcntl.LOCK_EX)
            text = f"{os.getpid()} {os.uname().nodename}\n"
            if beats and heart.begin(self.path / OWNER):
                text += f"{BEATS}\n"
            # Written last: whoever finds it empty and unlocked has come too early.
            os.write(self._owner, text.encode())

    def _disown(self) -> None:
        heart.end(self.path / OWNER)
        # Before the directory is removed: NFS keeps open files under another name.
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None

    def is_abandoned(self) -> bool:
        """Whether the process that made it has ended without a word."""
        if self._modified(FAILED) is not None:
            return False
        try:
            with (self.path / OWNER).open("r+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _, _, host = stream.readline(1024).decode(errors="replace").partition(" ")
                age = time.time() - os.fstat(stream.fileno()).st_mtime
        except FileNotFoundError:
            return self._is_half_removed()
        except OSError:
            return False
        return host.rstrip() == os.uname().nodename or (host != "" and age > _FOREIGN_SECONDS)

    def _is_half_removed(self) -> bool:
        """Whether it lost its owner long ago: a job wrote into it while it was being removed."""
        try:
            return time.time() - self.path.stat().st_mtime > _FOREIGN_SECONDS
        except OSError:
            return False

    def is_over(self) -> bool:
        """Whether the worker has said its last word."""
        return self._modified(REPORT) is not None

    def stage(self, members: Iterable[Member], request: Mapping[str, Any]) -> None:
        """Write the bundle, then the request.

        Raises:
            InputError: an input file cannot be read.
            HomeUnwritable: there is no room for the bundle.
            BundleError: an input changed while it was read.
        """
        try:
            with (self.path / BUNDLE).open("wb") as stream:
                write_tar(stream, members)
            (self.path / REQUEST).write_text(json.dumps(request))
        except OSError as error:
            other = InputError(f"The run could not be prepared: {error}.", cause=error)
            raise home_trouble(error) or other from error

    def has_started(self) -> bool:
        """Whether the worker has taken the run."""
        return self._modified(STARTED) is not None

    def started_job(self) -> str | None:
        """The id of the job that has taken the run, as it says itself."""
        try:
            job_id = json.loads((self.path / STARTED).read_bytes())["job_id"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return job_id if isinstance(job_id, str) and job_id.isdecimal() else None

    def take_back(self) -> bool:
        """See to it that no job can start the run any more; whether none has.

        A job's first act is to make this file, if it does not exist; so only one of the two can.
        """
        try:
            with (self.path / STARTED).open("x") as stream:
                json.dump({"job_id": "", "node": "", "time": time.time()}, stream)
        except FileExistsError:
            return self.started_job() is None
        except OSError:
            return False
        return True

    def trouble(self) -> HomeUnwritable | None:
        """What keeps files from being written here, or None."""
        probe = self.path / ".probe"
        try:
            with probe.open("wb") as stream:
                stream.write(bytes(_PROBE_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            return home_trouble(error) or HomeUnwritable(
                f"The run's directory on the shared home cannot be written: {error.strerror}.",
                cause=error,
            )
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        return None

    def report(self) -> dict[str, Any] | None:
        """The final report, or None while there is none.

        Raises:
            ProtocolError: what is there is no report.
        """
        try:
            with (self.path / REPORT).open("rb") as stream:
                raw = stream.read(_MAX_REPORT + 1)
        except FileNotFoundError:
            return None
        if len(raw) > _MAX_REPORT:
            raise ProtocolError(f"{REPORT} is longer than {_MAX_REPORT} bytes.")
        return parse_json(raw)

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
        self._disown()
        # A job that was cancelled may still close a file while this works.
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def keep(self, reason: str, newest: int) -> None:
        """Keep the directory for a look at it, and remove older ones beyond the newest few."""
        with contextlib.suppress(OSError):
            (self.path / FAILED).write_text(f"{reason}\n")
        self._disown()
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

"""Which Slurm jobs are alive on this node, as the Prolog (root) wrote it down.

One file per job, named after the job id, holding ``{"uid": 1000}``. The Epilog removes it.
"""

import os
import re
import stat
from pathlib import Path

from cfiddle_slurm.sandbox.protocol import JOBS_DIRECTORY, ProtocolError, parse_json

_JOB_ID = re.compile(r"[1-9][0-9]{0,18}")
_LONGEST_ENTRY = 4096
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class NotRegistered(ValueError):
    """The job is not registered here for that user; the text says why in one sentence."""


def is_job_id(text: object) -> bool:
    """Whether this is a Slurm job id as Slurm writes it."""
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


class Registry:
    """The directory that Prolog and Epilog keep.

    Args:
        directory: absolute path.
        owner: uid that must own the directory and its entries (root; tests pass their own).
    """

    def __init__(self, directory: Path = Path(JOBS_DIRECTORY), owner: int = 0) -> None:
        self._directory = directory
        self._owner = owner

    def check(self, job_id: str, uid: int) -> None:
        """Make sure that a live job of this user is registered.

        Raises:
            NotRegistered: it is not.
        """
        registered = self._uid_of(job_id)
        if registered != uid:
            raise NotRegistered(
                f"Job {job_id} on this node does not belong to user {uid}, who asked for its"
                " sandbox."
            )

    def holds(self, job_id: str, uid: int) -> bool:
        """Whether the job is (still) registered for the user."""
        try:
            self.check(job_id, uid)
        except NotRegistered:
            return False
        return True

    def _uid_of(self, job_id: str) -> int:
        if not is_job_id(job_id):
            raise NotRegistered("A job id is a positive decimal number.")
        try:
            value = parse_json(self._read(job_id))
        except FileNotFoundError:
            raise NotRegistered(
                f"Job {job_id} is not running on this node: only a job that Slurm has started here"
                " may use its sandbox."
            ) from None
        except (OSError, ProtocolError) as error:
            raise NotRegistered(
                f"The registration of job {job_id} cannot be read: {error}"
            ) from None
        uid = value.get("uid")
        if not isinstance(uid, int) or isinstance(uid, bool) or uid < 0:
            raise NotRegistered(f"The registration of job {job_id} names no user.")
        return uid

    def _read(self, job_id: str) -> bytes:
        # O_NOFOLLOW and the checks on open descriptors: what is checked is what is read.
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            self._check_trust(os.fstat(directory), "the directory of registrations")
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            entry = os.open(job_id, flags, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            stats = os.fstat(entry)
            self._check_trust(stats, "the registration")
            if not stat.S_ISREG(stats.st_mode):
                raise NotRegistered(f"The registration of job {job_id} is not a regular file.")
            return os.read(entry, _LONGEST_ENTRY)
        finally:
            os.close(entry)

    def _check_trust(self, stats: os.stat_result, what: str) -> None:
        if stats.st_uid != self._owner or stats.st_mode & _WRITABLE_BY_OTHERS:
            raise NotRegistered(
                f"The registration is not trusted: {what} must belong to uid {self._owner} and be"
                " writable by nobody else."
            )

"""Whose the run in a job directory is: the job's that takes it, the notebook's that waits for it.

Like the client, whose working directory the job directory is, this is loaded for every run and
does without whatever is slow to load.
"""

from __future__ import annotations

import os
import socket
import time

from cfiddle_slurm.bundle.layout import OWNER, STARTED

BEATS = "beats"
"""The second line of the owner's file, if the notebook touches the file while it lives."""
BEAT_SECONDS = 15.0
SILENT_SECONDS = 120.0
"""A notebook that has not touched the file for so long is believed to be gone, or stopped."""
_LONGEST_OWNER = 1024


def claim() -> bool:
    """Whether this process is the first to start the run: a requeued job must not run twice.

    Raises:
        OSError: the job directory cannot be written.
    """
    try:
        descriptor = os.open(STARTED, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    text = f'{opening()}"node": {quoted(node())}, "time": {time.time()}}}'
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    return True


def is_this_jobs() -> bool:
    """Whether it was this very job, which Slurm has begun anew, that has claimed the run.

    Raises:
        OSError: what is there is no file.
    """
    descriptor = os.open(STARTED, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        mine = opening().encode()
        return stream.read(len(mine)) == mine


def silence() -> float | None:
    """For how many seconds nothing has been heard of the notebook, if that is too long.

    The times of two files of one folder are compared, as the file server tells them, so that no
    two clocks are. None stands for everything else: also where nobody can know.
    """
    try:
        descriptor = os.open(OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            beats = BEATS.encode() in stream.read(_LONGEST_OWNER).split(b"\n")
            heard = os.fstat(stream.fileno()).st_mtime
        os.utime(STARTED)  # "now": the server's, where it is one
        passed = os.stat(STARTED).st_mtime - heard
    except OSError:
        return None
    return passed if beats and passed > SILENT_SECONDS else None


def opening() -> str:
    """How a JSON object begins that names this job first."""
    return f'{{"job_id": {quoted(job_id())}, '


def quoted(text: str) -> str:
    """A text in JSON; job ids and node names are plain enough to do without the json module."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    import json

    return json.dumps(text)


def job_id() -> str:
    """The id of the job that this process is part of."""
    return os.environ.get("SLURM_JOB_ID", "")


def node() -> str:
    """The worker's name."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()

"""A stand-in for pyslurm: the names that are used of it, over a folder instead of a cluster.

The folder is named by ``STAND_IN``. ``queue.json`` in it has the jobs. A test has it misbehave by
Python files there, which are executed at the point that their name says: ``import.py``,
``before_submit.py``, ``after_submit.py``, ``before_load.py``, ``before_cancel.py`` ... Each such
point is also a line in ``calls``.
"""

import json
import os
from pathlib import Path
from typing import Any

__version__ = "24.11.0"
_FOLDER = Path(os.environ["STAND_IN"])
_QUEUE = _FOLDER / "queue.json"


def _point(name: str) -> None:
    with (_FOLDER / "calls").open("a") as calls:
        calls.write(f"{name} {os.getpid()}\n")
    script = _FOLDER / f"{name}.py"
    if script.exists():
        exec(script.read_text(), globals())  # noqa: S102 - the test wrote it


def _queue() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_QUEUE.read_text()) if _QUEUE.exists() else []
    return found


class RPCError(Exception):
    """As Slurm's error number and words."""

    def __init__(self, errno: int = -1, msg: str | None = None) -> None:
        self.errno, self.msg = errno, msg
        super().__init__(msg)


class JobSubmitDescription:
    """Takes the attributes of the real one; any other is an error, as there."""

    __slots__ = (
        "account", "constraints", "environment", "excluded_nodes", "is_requeueable",
        "log_files_open_mode", "name", "nodes", "ntasks", "partitions", "qos",
        "resource_sharing", "script", "standard_output", "time_limit", "working_directory",
    )  # fmt: skip

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            setattr(self, name, value)

    def submit(self) -> int:
        """Append it to the queue."""
        _point("before_submit")
        jobs = _queue()
        # The real one gives the job its own process's SLURM_* beside what it was told.
        variables = {k: v for k, v in os.environ.items() if k.startswith("SLURM_")}
        job = {name: getattr(self, name) for name in self.__slots__ if hasattr(self, name)}
        job["environment"] = {**variables, **(job.get("environment") or os.environ)}
        job_id = 100 + len(jobs)
        jobs.append({**job, "id": job_id, "state": "PENDING", "state_reason": "Priority",
                     "allocated_nodes": None, "user_id": os.getuid()})  # fmt: skip
        _QUEUE.write_text(json.dumps(jobs))
        _point("after_submit")
        return job_id


class Job:
    """A job of the queue."""

    id: int
    name: str
    state: str
    state_reason: str
    allocated_nodes: str | None
    user_id: int
    working_directory: str

    def __init__(self, job_id: int) -> None:
        self.id = job_id

    @staticmethod
    def load(job_id: int) -> "Job":
        """Read the queue for one job."""
        _point("before_load")
        for job in Jobs._read():
            if job.id == job_id:
                return job
        raise RPCError(2017, "Invalid job id specified")

    def cancel(self) -> None:
        """Take it from the queue."""
        _point("before_cancel")
        jobs = _queue()
        for job in jobs:
            if job["id"] == self.id:
                job["state"] = "CANCELLED"
        _QUEUE.write_text(json.dumps(jobs))
        _point("after_cancel")


class Jobs:
    """All jobs of the queue."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    @staticmethod
    def load() -> "Jobs":
        """Read the queue."""
        _point("before_load")
        jobs = Jobs()
        jobs._jobs = Jobs._read()
        return jobs

    @staticmethod
    def _read() -> list[Job]:
        jobs = []
        for table in _queue():
            job = Job(table["id"])
            for name in ("name", "state", "state_reason", "allocated_nodes", "user_id",
                         "working_directory"):  # fmt: skip
                setattr(job, name, table.get(name))
            jobs.append(job)
        return jobs

    def values(self) -> list[Job]:
        """The jobs."""
        return self._jobs


_point("import")

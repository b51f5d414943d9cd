"""A Slurm of one machine for `make test-walls`: its commands, as far as runs and attacks use them.

Called as ``python stand_in.py COMMAND ...`` by small scripts on the PATH, under the attacker's own
account. A job is a folder of ``$STAND_IN``. It waits until :class:`Registrar`, which is root as the
Prolog is, has registered it with sandboxd, runs here, and is over.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

STATE = Path(os.environ.get("STAND_IN", "/nonexistent"))
COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol", "sinfo")
_FIRST_PATH = "PATH=/usr/local/bin"
_VALUED = ("-n", "-N", "-t", "-J", "-D", "-o", "-p", "-w", "-x")


class Job:
    """One job, and what is known of it: its folder's files."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.folder = STATE / "slurm" / job_id

    @classmethod
    def new(cls, name: str, place: str) -> "Job":
        """The next one."""
        for number in range(1, 100_000):
            job = cls(str(number))
            try:
                job.folder.mkdir(parents=True)
            except FileExistsError:
                continue
            job.say("name", name)
            job.say("place", place)
            return job
        raise RuntimeError("no job number is left")

    def say(self, what: str, text: str) -> None:
        """Note something."""
        (self.folder / what).write_text(text)

    def told(self, what: str) -> str:
        """What was noted."""
        file = self.folder / what
        return file.read_text() if file.exists() else ""

    @property
    def state(self) -> str:
        """As Slurm names it."""
        return self.told("state") or "RUNNING"

    def execute(self, words: list[str], place: str, output: str | None) -> int:
        """Prolog, job, Epilog; the exit status."""
        self.say("ready", "")
        while not (STATE / "sandboxd" / "jobs" / self.job_id).exists():
            time.sleep(0.01)
        environment = {**os.environ, "SLURM_JOB_ID": self.job_id}
        log = None if output is None else open(Path(place, output), "ab")  # noqa: SIM115
        process = subprocess.Popen(
            words, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        self.say("pid", str(process.pid))
        status = process.wait()
        self.say("state", "COMPLETED" if status == 0 else "FAILED")
        return status


class Registrar(threading.Thread):
    """Prolog and Epilog: says to sandboxd which jobs are here.

    Args:
        folder: of all jobs.
        registry: the folder that sandboxd believes.
        uid: whose jobs they are.
    """

    def __init__(self, folder: Path, registry: Path, uid: int) -> None:
        super().__init__(daemon=True)
        self._folder, self._registry, self._uid = folder, registry, uid
        self._has_ended = threading.Event()

    def run(self) -> None:
        """Until :meth:`stop`."""
        while not self._has_ended.wait(0.01):
            for name in filter(str.isdecimal, os.listdir(self._folder)):
                is_here, registration = self._is_here(name), self._registry / name
                if is_here and not registration.exists():
                    temporary = self._registry / f".{name}"
                    temporary.write_text(json.dumps({"uid": self._uid}))
                    temporary.rename(registration)
                elif not is_here:
                    registration.unlink(missing_ok=True)

    def _is_here(self, name: str) -> bool:
        job = self._folder / name
        return (job / "ready").exists() and not (job / "state").exists()

    def stop(self) -> None:
        """No job is registered any more."""
        self._has_ended.set()
        self.join()


def options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options with their values, and the words after them."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        found[name] = rest.pop(0) if name in _VALUED and not value and rest else value
    return found, rest


def jobs() -> list[Job]:
    """All that there were."""
    folder = STATE / "slurm"
    return [Job(name) for name in sorted(os.listdir(folder))] if folder.is_dir() else []


def sbatch(arguments: list[str]) -> int:
    """Submit a script; its job goes on when this has ended."""
    given, words = options(arguments)
    place = given.get("--chdir") or os.getcwd()
    job = Job.new(given.get("--job-name", ""), place)
    command = [sys.executable, __file__, "go-on", job.job_id, place, given.get("--output", ""),
               *words]  # fmt: skip
    subprocess.Popen(
        command, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(job.job_id)
    return 0


def go_on(arguments: list[str]) -> int:
    """What sbatch leaves behind."""
    job_id, place, output, *words = arguments
    return Job(job_id).execute(_with_our_client(words), place, output or "slurm.log")


def srun(arguments: list[str]) -> int:
    """Run a command in a job of its own, and stay until its end."""
    given, words = options(arguments)
    place = given.get("--chdir") or os.getcwd()
    job = Job.new(given.get("--job-name", ""), place)
    return job.execute(_with_our_client(words), place, None)


def _with_our_client(words: list[str]) -> list[str]:
    """A batch script names the folders in which a worker has its programs; ours are elsewhere."""
    scripts = [Path(word) for word in words if word.endswith("job.sh")]
    if not scripts:
        return words
    text = scripts[-1].read_text()
    return ["/bin/sh", "-c", text.replace(_FIRST_PATH, f"PATH={STATE / 'bin'}:/usr/local/bin")]


def squeue(arguments: list[str]) -> int:
    """Jobs, in the format that is asked for."""
    given, _ = options(arguments)
    wanted = [job for job in given.get("--jobs", "").split(",") if job]
    for job in jobs():
        is_over = job.state != "RUNNING" and "--states" not in given
        if is_over or (wanted and job.job_id not in wanted):
            continue
        if given.get("--name", job.told("name")) != job.told("name"):
            continue
        values = {"i": job.job_id, "A": job.job_id, "T": job.state, "r": "None", "N": "here",
                  "j": job.told("name"), "Z": job.told("place"), "u": "root"}  # fmt: skip
        form = given.get("--format", "%i %T")
        print(re.sub(r"%([A-Za-z])", lambda match: values.get(match[1], ""), form))  # noqa: B023
    return 0


def scancel(arguments: list[str]) -> int:
    """End jobs, by number or by name."""
    given, words = options(arguments)
    for job in jobs():
        named = bool(given.get("--name")) and given["--name"] == job.told("name")
        if (named or job.job_id in words) and job.state == "RUNNING" and job.told("pid"):
            os.killpg(int(job.told("pid")), signal.SIGTERM)
            time.sleep(0.1)
    return 0


def nothing(arguments: list[str]) -> int:
    """What is not asked for in earnest here."""
    return 0


def main() -> int:
    """One command."""
    name, *arguments = sys.argv[1:]
    known = {"sbatch": sbatch, "srun": srun, "squeue": squeue, "scancel": scancel, "go-on": go_on}
    return known.get(name, nothing)(arguments)


if __name__ == "__main__":
    sys.exit(main())

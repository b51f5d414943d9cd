"""Job directories that are not the student's, and a look at who may enter the student's."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

import cfiddle

import cfiddle_slurm
from cfiddle_slurm import errors
from tests.attacks.sources import FAILING, SCRIPT
from tests.attacks.student import JOBS, Student


def attack(student: Student) -> list[str]:
    """What was possible."""
    others = [path for path in Path("/home").iterdir() if path.is_dir() and path != Path.home()]
    homes = [path for path in others if path.stat().st_uid not in (0, os.getuid())]
    wrong = [] if homes else ["There is nobody else whose directories could be tried."]
    for home in homes:
        jobs = home / ".cfiddle-slurm" / "jobs"
        with contextlib.suppress(PermissionError, FileNotFoundError):
            wrong.append(f"{jobs}: {os.listdir(jobs)}")
        with contextlib.suppress(PermissionError, FileNotFoundError):
            (jobs / "0123456789abcdef").mkdir()
            wrong.append(f"{jobs}: a directory was made")
    for home in homes[:1]:
        wrong += in_place_of(student, home / ".cfiddle-slurm" / "jobs")
        wrong += begun_in(student, home)
    return wrong + open_to_others(student)


def in_place_of(student: Student, jobs: Path) -> list[str]:
    """The very script of the package, with another's directory in it."""
    folder = student.job_directory(None)
    (folder / "job.sh").write_text(SCRIPT.format(folder=jobs))
    student.is_over(student.submit(folder).stdout.strip())
    log = (folder / "slurm.log").read_text()
    shutil.rmtree(folder)
    print(f"{jobs}: {log}")
    return [] if "cannot be used: [Errno 13]" in log else [f"{jobs}: {log}"]


def begun_in(student: Student, home: Path) -> list[str]:
    """A job whose working directory, and with it its log, is another's; Slurm does not start it."""
    folder = student.job_directory(None)
    student.is_over(student.submit(folder, f"--chdir={home}").stdout.strip())
    found = sorted(path.name for path in folder.iterdir())
    shutil.rmtree(folder)
    print(f"--chdir={home}: {found}")
    return [] if found == ["job.sh", "request.json"] else [f"--chdir={home}: {found}"]


def open_to_others(student: Student) -> list[str]:
    """Directories of a run that others can enter, though everything was to be open to all."""
    place = student.folder / "runs"
    before = os.umask(0)
    try:
        with cfiddle.cfiddle_config(), contextlib.suppress(errors.Exited):
            cfiddle_slurm.configure(scheduler="slurm", jobs_directory=place)
            cfiddle.run(cfiddle.build(cfiddle.code(FAILING)), "attack", cfiddle.arg_map(n=1))
    finally:
        os.umask(before)
    kept = [*place.iterdir()]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (JOBS, place, *kept)}
    print({str(path): oct(mode) for path, mode in modes.items()})
    wrong = [] if kept else ["Nothing was kept to be looked at."]
    return wrong + [f"{path}: {mode:o}" for path, mode in modes.items() if mode != 0o700]

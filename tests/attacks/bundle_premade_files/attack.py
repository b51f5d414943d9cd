"""Job directories in which some of the worker's files are there already, as links to others."""

import shutil
from pathlib import Path

from tests.attacks.student import Student

SOURCE = """
#include <cstdio>
#include <unistd.h>
extern "C" long attack(long n) {
    puts("written by the worker");
    fflush(stdout);
    _exit(3);
}
"""
CLOSED = ("/etc/passwd", "/usr/local/bin/cfiddle-sandbox", "/", "/proc/1/mem")
ON_THE_WORKER = ("/tmp/planted", "/dev/shm/planted")


def attack(student: Student) -> list[str]:
    """What was written where it must not be."""
    bundle = student.pack(student.good_bundle(SOURCE))
    elsewhere = student.folder / "elsewhere"

    def directory(name: str, target: str | Path) -> Path:
        folder = student.job_directory(bundle)
        (folder / name).symlink_to(target)
        return folder

    wrong = student.not_refused(
        {name: directory(name, elsewhere) for name in ("report.json", "result.tar")}, "exited"
    )
    if elsewhere.exists():
        wrong.append("A link was followed.")
    others = [str(path) for path in Path("/home").iterdir() if path != Path.home()][:1]
    wrong += student.not_refused(
        {target: directory("output.log", target) for target in (*CLOSED, *others)},
        "unavailable",
        sentence="cannot be written",
    )
    full = {"/dev/full": directory("output.log", "/dev/full")}
    wrong += student.not_refused(full, "home", sentence="cannot be written")
    # What lies on the worker is the student's own as long as the job is there, and not longer.
    for target in ON_THE_WORKER:
        wrong += student.not_refused({f"into {target}": directory("output.log", target)}, "exited")
        left = student.job_directory(None)
        (left / "bundle.tar").symlink_to(target)
        wrong += student.not_refused({target: left}, "unavailable", sentence=r"holds no bundle")
    return wrong + started_already(student, bundle)


def started_already(student: Student, bundle: bytes) -> list[str]:
    """A run that seems to have been started before is not started again."""
    folder = student.job_directory(bundle)
    (folder / "started.json").symlink_to(student.folder / "none")
    student.is_over(student.submit(folder).stdout.strip())
    found = sorted(path.name for path in folder.iterdir())
    shutil.rmtree(folder)
    print(f"started.json: {found}")
    harmless = ["bundle.tar", "job.sh", "request.json", "slurm.log", "started.json"]
    return [] if found == harmless else [f"started.json: {found}"]

"""Own scripts, submitted in several ways."""

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """The ways that were accepted."""
    script = student.folder / "own.sh"
    script.write_text("#!/bin/sh\nid\n")
    ways = {
        "wrapped": ["sbatch", "--wrap=id"],
        "own script": ["sbatch", str(script)],
        "own script, right name": ["sbatch", f"--job-name={student.job_name()}", str(script)],
    }
    return [way for way, words in ways.items() if student.command(*words).returncode == 0]

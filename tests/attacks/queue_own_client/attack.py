"""The job's environment is the student's: LD_PRELOAD brings a library into the client."""

import shutil
import tempfile
from pathlib import Path

from tests.attacks.student import Student

SOURCE = Path(__file__).with_name("library.c")


def attack(student: Student) -> list[str]:
    """What the library could open that it must not."""
    # The dynamic linker takes a space for the end of a name.
    place = Path(tempfile.mkdtemp(prefix="client-", dir=Path.home()))
    try:
        return in_place(student, place)
    finally:
        shutil.rmtree(place)


def in_place(student: Student, place: Path) -> list[str]:
    """With the library and its diary in a folder."""
    library, diary = place / "own.so", place / "diary"
    assert (
        student.command("gcc", "-shared", "-fPIC", "-o", str(library), str(SOURCE)).returncode == 0
    )
    bundle = student.pack(student.good_bundle())
    folder = student.job_directory(bundle)
    own = place / "bin"
    own.mkdir()
    (own / "cfiddle-sandbox").write_text(f"#!/bin/sh\necho OWN CLIENT >>'{diary}'\n")
    (own / "cfiddle-sandbox").chmod(0o755)
    variables = f"LD_PRELOAD={library},DIARY={diary},PATH={own},ENV={own}/cfiddle-sandbox"
    done = student.submit(folder, f"--export=ALL,{variables}")
    assert done.returncode == 0
    report = student.report(folder)
    text = diary.read_text() if diary.exists() else ""
    print(text, report.get("outcome"))
    wrong = [line for line in text.splitlines() if line.startswith(("OPENED", "BECAME", "OWN"))]
    if report.get("outcome", {}).get("kind") != "exited":
        wrong.append("the run did not end as it does otherwise")
    return wrong

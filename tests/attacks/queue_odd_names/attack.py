"""No shell may ever read a student's text as anything but text."""

import os
from pathlib import Path

import cfiddle

import cfiddle_slurm
from cfiddle_slurm import errors
from tests.attacks.student import Student

SOURCE = """
#include <stdio.h>
extern "C" long attack(long n)
{
    fclose(fopen("out put;x.txt", "w"));
    return n + 1;
}
"""


def attack(student: Student) -> list[str]:
    """What was taken for a command, or did not work."""
    marker = student.folder / "marker"
    texts = [
        f"$(touch {marker})", f"`touch {marker}`", f"x; touch {marker}", f"x\ntouch {marker}\n",
        f"' ; touch {marker} ; '", f'" ; touch {marker} ; "', "a b", "-rf", "--wrap=id", "%j%x%A",
        "ä✓", "\\", "~", "*",
    ]  # fmt: skip
    wrong = [f"folder {text!r}" for text in texts if not works_in(student.folder / place(text))]
    os.chdir(student.folder)
    for text in texts:
        for option in ("partition", "account", "constraint", "qos"):
            try:
                cfiddle_slurm.configure(scheduler="slurm", **{option: text})
                cfiddle.run(cfiddle.build(cfiddle.code(SOURCE)), "attack", cfiddle.arg_map(n=1))
                wrong.append(f"{option} {text!r} was accepted")
            except (errors.SubmissionError, errors.SettingsError) as error:
                print(f"{option} {text!r}: {error.message[:80]!r}")
    names = [name for text in texts for name in (text, f"cfiddle-0123456789abcdef{text}")]
    for name in names:
        done = student.command("sbatch", f"--job-name={name}", "--wrap=id")
        if done.returncode == 0:
            wrong.append(f"job name {name!r}")
    if marker.exists():
        wrong.append("a command was carried out")
    return wrong


def place(text: str) -> str:
    """A folder's name."""
    return text.replace("/", "|")


def works_in(folder: Path) -> bool:
    """Whether an ordinary run is right there."""
    folder.mkdir()
    os.chdir(folder)
    cfiddle_slurm.configure(scheduler="slurm", submit="srun", output_files=["out*.txt"])
    built = cfiddle.build(cfiddle.code(SOURCE))
    value = cfiddle.run(built, "attack", cfiddle.arg_map(n=1))[0].return_value
    return value == 2 and Path("out put;x.txt").exists()

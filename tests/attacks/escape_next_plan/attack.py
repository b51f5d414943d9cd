"""Two sets of run options make two processes, and the first can write where the guest does."""

import shutil
from pathlib import Path
from typing import Any

import cfiddle

import cfiddle_slurm
from cfiddle_slurm import errors
from tests.attacks.student import Student

WAYS = (
    "/proc/1/fd/4",
    "/proc/1/comm",
    "folder",
    "fifo",
    "a plan of its own",
)
VALUE = 7


def attack(student: Student) -> list[str]:
    """The ways that gave a false answer, or made the worker look broken."""
    shutil.copy(Path(__file__).with_name("plan.c"), "plan.c")
    built = cfiddle.build("plan.c")
    cfiddle_slurm.configure(scheduler="slurm", submit="srun", time_limit=2, retries=0)
    return [way for way in WAYS if _misleads(built, way)]


def _misleads(built: Any, way: str) -> bool:
    options = [{"NEXT_PLAN": way}, {}]
    try:
        results = cfiddle.run(built, "prepare", cfiddle.arg_map(n=VALUE), run_options=options)
    except cfiddle.CFiddleException as error:
        print(f"{way}: {type(error).__name__}: {error}".replace("\n", " "))
        return isinstance(error, errors.SandboxUnavailable) and error.transient
    values = [result.return_value for result in results]
    print(f"{way}: {values}")
    return values != [VALUE, VALUE]

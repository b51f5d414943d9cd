"""The batch script and the options it is submitted with. Pure functions."""

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm.bundle.layout import JOB_SCRIPT, SLURM_LOG, is_run_id
from cfiddle_slurm.settings import Settings

_SCRIPT = """\
#!/bin/sh
# One run of a CFiddle experiment, submitted by cfiddle_slurm. This text is always the same, but for
# the job directory's path.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec cfiddle-sandbox run {folder}
"""
_PREFIX = "cfiddle-"
# As getopt_long(3) takes them; "--exclusive" is another option, and "--nodefile" chooses, too.
_EXCLUDES = re.compile(r"(?:--exclude=|-x=?)(.+)")
_PICKS = re.compile(r"--nodel|--nodef|-w|-F")
SPARE_MINUTES = 1
"""Start-up and return happen within Slurm's limit, too: it is the sandbox that should end a run."""


def job_name(run_id: str) -> str:
    """A run's ``--job-name``, by which its job is found when sbatch's reply was lost."""
    return f"{_PREFIX}{run_id}"


def run_id_of(name: str) -> str | None:
    """The run that a job of this name executes, or None when it is none of ours."""
    run_id = name.removeprefix(_PREFIX)
    return run_id if run_id != name and is_run_id(run_id) else None


def script_text(folder: Path) -> str:
    """The batch script of the run in a job directory."""
    return _SCRIPT.format(folder=shlex.quote(str(folder)))


def sbatch_arguments(run_id: str, folder: Path, settings: Settings) -> list[str]:
    """The command that submits the script.

    ``--export=NIL``: the notebook's environment stays there; what the run needs is in its bundle.
    """
    return [
        "sbatch", "--parsable", "--export=NIL", "--no-requeue",
        f"--output={SLURM_LOG}", "--open-mode=append",
        *_common(run_id, folder, settings),
        str(folder / JOB_SCRIPT),
    ]  # fmt: skip


def srun_arguments(run_id: str, folder: Path, settings: Settings) -> list[str]:
    """The command that has Slurm start the script at once and stays until its end."""
    return [
        "srun", "--export=NONE", "--input=none",
        *_common(run_id, folder, settings),
        "/bin/sh", str(folder / JOB_SCRIPT),
    ]  # fmt: skip


def _common(run_id: str, folder: Path, settings: Settings) -> list[str]:
    arguments = [f"--job-name={job_name(run_id)}", f"--chdir={folder}", "--nodes=1", "--ntasks=1"]
    if settings.exclusive:
        arguments.append("--exclusive")
    if settings.time_limit is not None:
        arguments.append(f"--time={math.ceil(settings.time_limit / 60) + SPARE_MINUTES}")
    for name in ("partition", "account", "qos", "constraint"):
        value = getattr(settings, name)
        if value is not None:
            arguments.append(f"--{name}={value}")
    return [*arguments, *settings.sbatch_options]


def excluding(options: Sequence[str], nodes: Sequence[str]) -> tuple[str, ...]:
    """Options of sbatch with some nodes excluded, beside those that are already.

    Where nodes are chosen by name, that stays.
    """
    if not nodes or any(_PICKS.match(word) for word in options):
        return tuple(options)
    before = [nodes_ for word in options if (nodes_ := excluded_by(word))]
    others = [word for word in options if excluded_by(word) is None]
    return (*others, f"--exclude={','.join([*before[-1:], *nodes])}")


def excluded_by(option: str) -> str | None:
    """The nodes that an option of sbatch excludes; None if it is another option."""
    match = _EXCLUDES.fullmatch(option)
    return match[1] if match else None


def submitted_text(run_id: str, folder: Path, settings: Settings) -> str:
    """What would be submitted, for people: the command, then the script."""
    build = srun_arguments if settings.submit == "srun" else sbatch_arguments
    return f"# {shlex.join(build(run_id, folder, settings))}\n{script_text(folder)}"

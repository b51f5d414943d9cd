"""Settings, and where they come from.

A keyword comes before a ``CFIDDLE_SLURM_*`` variable, that before the user's file, that before the
site's, that before the default.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfiddle_slurm import tables, values
from cfiddle_slurm.errors import SettingsError
from cfiddle_slurm.sandbox.policy import SMALLEST_MEMORY
from cfiddle_slurm.tables import key
from cfiddle_slurm.values import choice

USER_FILE = Path("~/.config/cfiddle-slurm/config.toml")
SITE_FILE = Path("/etc/cfiddle-slurm/config.toml")
LIMITS = "limits.toml"
"""Beside the site's file: what the sandbox policy allows, as the cluster's `up` writes it."""
PREFIX = "CFIDDLE_SLURM_"
_OTHERS_VARIABLES = frozenset(("CFIDDLE_SLURM_SOCKET",))
"""Variables of that prefix that are not settings: the worker's socket."""
_LONGEST_LIST = 1000
_JOBS = Path("~/.cfiddle-slurm/jobs")


@dataclass(frozen=True)
class Settings:
    """How runs are executed. Times are in seconds, sizes in bytes.

    Attributes:
        scheduler: ``"slurm"``, or ``"local"`` for a process on this machine.
        submit: ``"sbatch"``, or ``"srun"``, which starts sooner and needs this process to stay.
        binding: how Slurm is asked: ``"commands"``; or ``"pyslurm"``, in a process of its own; or
            ``"auto"``, by pyslurm where it is installed for this Slurm and has been started.
        partition, account, qos, constraint: as for sbatch.
        exclusive: whether the job has its node for itself, without which times mean little.
        time_limit: longest time of one run; a text like ``"10:30"`` is minutes and seconds.
        queue_timeout: longest wait for the start of the job; None waits for ever.
        memory: memory of the sandbox; at most, and by default, what the site's policy gives.
        image: the sandbox's image, one that the site's policy allows; None for its first.
        input_files, output_files: globs relative to the working directory.
        sbatch_options: further options, one word each, like ``"--reservation=lab1"``.
        retries: how often a run is tried again, elsewhere if possible, that failed because its
            worker or the worker's sandbox service did; never one that failed by itself.
        keep_failed: how many directories of failed runs are kept to look at.
        poll_fast, poll_slow: shortest and longest pause between two looks for the result.
        query_interval: pause between two questions to Slurm.
        result_grace: how long the result of a job that has ended may take to appear.
        show_output: whether what the experiment prints is shown.
        jobs_directory: where runs have their directories; on the shared home.
        shared_root: the folder that all machines share; None if that is not to be checked.
        max_time_limit, max_memory, max_inputs, allowed_images: what the site's policy allows; what
            goes beyond is refused before it is submitted. The site says so; None, or no image, if
            that is not known.
        sandbox_libraries: the shared libraries that the sandbox has, as the site says; a run of a
            library that needs another is refused before it is submitted.

    Raises:
        SettingsError: a value is wrong.
    """

    scheduler: str = key("local", choice("slurm", "local"))
    submit: str = key("sbatch", choice("sbatch", "srun"))
    binding: str = key("auto", choice("auto", "commands", "pyslurm"))
    partition: str | None = key(None, values.name, optional=True)
    account: str | None = key(None, values.name, optional=True)
    qos: str | None = key(None, values.name, optional=True)
    constraint: str | None = key(None, values.expression, optional=True)
    exclusive: bool = key(True, values.flag)
    time_limit: float | None = key(None, values.seconds, optional=True)
    queue_timeout: float | None = key(None, values.seconds, optional=True)
    memory: int | None = key(None, values.size, optional=True)
    image: str | None = key(None, values.name, optional=True)
    input_files: tuple[str, ...] = key((), values.globs)
    output_files: tuple[str, ...] = key((), values.globs)
    sbatch_options: tuple[str, ...] = key((), values.options)
    retries: int = key(1, values.count)
    keep_failed: int = key(20, values.count)
    poll_fast: float = key(0.01, values.interval)
    poll_slow: float = key(1.0, values.interval)
    query_interval: float = key(5.0, values.interval)
    result_grace: float = key(60.0, values.interval)
    show_output: bool = key(True, values.flag)
    jobs_directory: Path = key(_JOBS, values.folder)
    shared_root: Path | None = key(None, values.folder, optional=True)
    max_time_limit: float | None = key(None, values.seconds, optional=True)
    max_memory: int | None = key(None, values.size, optional=True)
    max_inputs: int | None = key(None, values.size, optional=True)
    allowed_images: tuple[str, ...] = key((), values.words)
    sandbox_libraries: tuple[str, ...] = key((), values.words)

    def __post_init__(self) -> None:
        for name, parse in _PARSERS.items():
            try:
                found = tables.value_of(name, parse, getattr(self, name))
            except tables.TableError as error:
                raise SettingsError(error.message, hint=error.hint) from error
            object.__setattr__(self, name, found)
        if self.poll_fast > self.poll_slow:
            raise SettingsError("The setting poll_fast must not be above poll_slow.")
        if self.scheduler == "slurm":
            self._check_policy()

    def _check_policy(self) -> None:
        time, most = self.time_limit, self.max_time_limit
        if time is not None and most is not None and time > most:
            raise _beyond("time_limit", f"{time:.10g} seconds", f"{most:.10g} seconds")
        memory, all_of_it = self.memory, self.max_memory
        if memory is not None and all_of_it is not None and memory > all_of_it:
            raise _beyond("memory", values.size_text(memory), values.size_text(all_of_it))
        if memory is not None and memory < SMALLEST_MEMORY:
            raise SettingsError(
                f"The setting memory asks for {values.size_text(memory)}, but a sandbox needs "
                f"at least {values.size_text(SMALLEST_MEMORY)}."
            )
        if self.image is not None and self.allowed_images and self.image not in self.allowed_images:
            raise SettingsError(
                f"This site does not allow the image {values.shown(self.image)}.",
                hint=f"Allowed are {', '.join(self.allowed_images)[:_LONGEST_LIST]}.",
            )


def _beyond(name: str, asked: str, most: str) -> SettingsError:
    return SettingsError(
        f"The setting {name} asks for {asked}, but this site allows at most {most}.",
        hint="Ask for less, or ask whoever runs the cluster.",
    )


_PARSERS = tables.parsers(Settings)
NAMES = tuple(_PARSERS)


def resolve(
    keywords: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    user_file: Path = USER_FILE,
    site_file: Path = SITE_FILE,
) -> Settings:
    """The settings in force.

    Args:
        keywords: what the caller says.
        environ: variables; this process's own if None.
        user_file, site_file: TOML files, which need not exist, nor the limits beside the latter.

    Raises:
        SettingsError: an unknown name or a wrong value; the message says in which source.
    """
    merged: dict[str, Any] = {}
    limits = site_file.with_name(LIMITS)
    try:
        known = _read(limits)  # by a kit that may be newer, and know more of them
        sources = (
            (f"the file {limits}", {name: known[name] for name in known if name in _PARSERS}),
            (f"the file {site_file}", _read(site_file)),
            (f"the file {user_file}", _read(user_file)),
            ("the environment", _from_environment(os.environ if environ is None else environ)),
            ("the call", keywords),
        )
        for source, table in sources:
            merged |= tables.checked(table, Settings, source)
    except tables.TableError as error:
        raise SettingsError(error.message, hint=error.hint) from error
    return Settings(**merged)


def _read(file: Path) -> dict[str, Any]:
    return tables.read(file, f"the settings file {file}") or {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _OTHERS_VARIABLES
    }

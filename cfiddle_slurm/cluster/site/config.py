"""``cluster.toml``: what an administrator says of a cluster, and what is wrong with it."""

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions

from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config_kinds import flag, number, optional_size
from cfiddle_slurm.sandbox.policy import Policy, PolicyError, parse_policy
from cfiddle_slurm.values import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path("cluster.toml")
LOCAL = "local"
"""The address of the machine on which the command itself runs; it is reached without ssh."""
HOMES = ("volume", "bind", "nfs")
BASES = ("auto", "registry", "debootstrap")
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_=<>!~\[\],:-]{0,120}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class ConfigError(ValueError):
    """``cluster.toml`` is wrong, or not there: one sentence that says what and where."""


@dataclass(frozen=True)
class Packages:
    """Further packages of an image, by their names in Debian and on the Python index."""

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()


NO_PACKAGES = Packages()


@dataclass(frozen=True)
class Config:
    """A cluster, as its file describes it.

    Attributes:
        name: Slurm's name of the cluster.
        head: ssh address of the machine with controller, database and user node.
        workers: ssh addresses of the machines that measure.
        ssh_user: the account there, root or one that may use sudo and Docker.
        advertise: the head's address for the other machines; empty: found out.
        home: ``volume`` (one machine only), ``bind`` (a folder that all machines share already),
            or ``nfs`` (a folder of the head, exported to the workers by `provision`).
        home_path: that folder.
        nfs_server: who exports it, when it is not the head.
        registry: whether images go through a registry on the head, or from machine to machine.
        base, ca_bundle, mirror: how images are built, see :class:`.images.BuildSettings`.
        user_packages, sandbox_packages: what is installed in these images in addition.
        jupyter_port: where JupyterLab is published on the head.
        queued_jobs: how many jobs a user may have in the queue.
        user_memory: bytes for all on the user node together; 0: three quarters of the head's.
        home_quota: bytes that one account may have in its home; 0: as many as there are.
        policy: the workers' sandbox policy.

    Raises:
        ConfigError: the parts do not fit together.
    """

    name: str = "cfiddle"
    head: str = LOCAL
    workers: tuple[str, ...] = ()
    ssh_user: str = "root"
    advertise: str = ""
    home: str = "volume"
    home_path: str = "/srv/cfiddle/home"
    nfs_server: str = ""
    registry: bool = True
    base: str = "auto"
    ca_bundle: str = ""
    mirror: str = ""
    user_packages: Packages = NO_PACKAGES
    sandbox_packages: Packages = NO_PACKAGES
    jupyter_port: int = 8888
    queued_jobs: int = 50
    user_memory: int = 0
    home_quota: int = 0
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        double = sorted({one for one in self.workers if self.workers.count(one) > 1})
        if double:
            raise ConfigError(f"The worker {double[0]!r} is listed twice.")
        if self.head in self.workers:
            raise ConfigError(
                f"The head {self.head!r} is also listed as a worker: what runs on the head disturbs"
                " what is measured. Use another machine, or `up --local` to try things out."
            )
        if LOCAL in self.workers:
            raise ConfigError(f"A worker needs an ssh address; {LOCAL!r} is not one.")
        if self.home == "volume" and self.workers:
            raise ConfigError(
                "home = 'volume' is for one machine only: with workers it must be 'nfs' or 'bind'."
            )

    @property
    def machines(self) -> tuple[str, ...]:
        """The addresses of all machines, the head first."""
        return (self.head, *self.workers)


def _text(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return parse


def _optional(parse: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value == "" else parse(value)


def _choice(*known: str) -> Callable[[Any], str]:
    return _text(re.compile("|".join(known)), f"one of {', '.join(known)}")


def _texts(pattern: re.Pattern[str], what: str) -> Callable[[Any], tuple[str, ...]]:
    parse = _text(pattern, f"a list of {what}")

    def parse_all(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list of {what}")
        return tuple(parse(one) for one in value)

    return parse_all


def _table(value: Any, keys: Mapping[str, Callable[[Any], Any]], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a table like [{where}]")
    return _parse(value, keys, f"[{where}]")


def _packages(where: str) -> Callable[[Any], Packages]:
    names = _texts(_PACKAGE, "package names")
    return lambda value: Packages(**_table(value, {"apt": names, "pip": names}, where))


def _policy(value: Any) -> Policy:
    if not isinstance(value, dict):
        raise ValueError("must be a table like [sandbox]")
    try:
        return parse_policy(value)
    except PolicyError as error:
        raise ConfigError(f"In [sandbox]: {error}") from error


_address = _text(ADDRESS, "the name or address of a machine")
_path = _text(re.compile(r"/[^\0\n:]+"), "an absolute path")
_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": _text(_NAME, "a name of a-z, 0-9 and -"),
    "head": _address,
    "workers": _texts(ADDRESS, "names or addresses of machines"),
    "ssh_user": _text(_USER, "the name of an account"),
    "advertise": _optional(_address),
    "home": _choice(*HOMES),
    "home_path": _path,
    "nfs_server": _optional(_address),
    "registry": flag,
    "base": _choice(*BASES),
    "ca_bundle": _optional(_path),
    "mirror": _optional(_text(re.compile(r"https?://\S+"), "an http address")),
    "user_packages": _packages("user_packages"),
    "sandbox_packages": _packages("sandbox_packages"),
    "jupyter_port": number(1, 65535),
    "queued_jobs": number(1, 10000),
    "user_memory": optional_size,
    "home_quota": optional_size,
    "sandbox": _policy,
}


def _parse(
    table: Mapping[str, Any], keys: Mapping[str, Callable[[Any], Any]], where: str
) -> dict[str, Any]:
    found = {}
    for name, value in table.items():
        if name not in keys:
            near = difflib.get_close_matches(name, keys, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(keys)}"
            raise ConfigError(f"{where} holds {name!r}, which is not known{hint}")
        try:
            found[name] = keys[name](value)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{where}: {name} {error}, not {shown(value)}.") from error
    return found


def load(path: Path = FILE) -> Config:
    """The cluster that a file describes.

    Raises:
        ConfigError: the file is not there, no TOML, or holds something wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {path}: `python -m cfiddle_slurm.cluster init` writes one."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Config:
    """The cluster that a text describes.

    Args:
        where: the text's place, for errors.

    Raises:
        ConfigError: the text is no TOML, or holds something wrong.
    """
    try:
        found = _parse(tomllib.loads(text), _KEYS, where)
        if "sandbox" in found:
            found["policy"] = found.pop("sandbox")
        return Config(**found)
    except ConfigError as error:
        if where in str(error):
            raise
        raise ConfigError(f"{where}: {error}") from error
    except (ValueError, RecursionError) as error:  # also what is nested or a number without end
        raise ConfigError(f"{where} is not valid TOML: {error}.") from error


def example(values: Mapping[str, Any]) -> str:
    """A commented ``cluster.toml`` with some values filled in; all others at their defaults.

    Args:
        values: by key; only keys that the example has.
    """
    document = tomlkit.parse((kit.folder("cluster") / "cluster.toml").read_text(encoding="utf-8"))
    for name, value in values.items():
        document[name] = list(value) if isinstance(value, tuple) else value
    return tomlkit.dumps(document)


def set_workers(path: Path, workers: tuple[str, ...]) -> None:
    """Write another list of workers into a file, and leave all else in it as it is.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except (OSError, tomlkit.exceptions.TOMLKitError) as error:
        raise ConfigError(f"{path} cannot be changed: {error}.") from error
    document["workers"] = list(workers)
    write(path, tomlkit.dumps(document))


def write(path: Path, text: str) -> None:
    """Write a cluster's file, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


assert {each.name for each in fields(Config)} - {"policy"} | {"sandbox"} == set(_KEYS)  # noqa: S101

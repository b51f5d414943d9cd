"""``cluster.toml``: what an administrator says of a cluster, and what is wrong with it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions

from cfiddle_slurm import tables
from cfiddle_slurm.cluster.site import kit, packages
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.cluster.site.packages import Packages
from cfiddle_slurm.sandbox.policy import Policy
from cfiddle_slurm.tables import key, subtable
from cfiddle_slurm.values import choice, flag, size_from, text, whole

FILE = Path("cluster.toml")
LOCAL = "local"
"""The address of the machine on which the command itself runs; it is reached without ssh."""
HOMES = ("volume", "bind", "nfs")
BASES = ("auto", "registry", "debootstrap")
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")
_LEAST_BYTES = 1 << 20


class ConfigError(ClusterError):
    """``cluster.toml`` is wrong, or not there: one sentence that says what and where."""


def _texts(form: str | re.Pattern[str], what: str) -> Callable[[object], tuple[str, ...]]:
    parse = text(form, f"a list of {what}")

    def parse_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list of {what}")
        return tuple(parse(one) for one in value)

    return parse_all


def _or_empty(parse: Callable[[object], str]) -> Callable[[object], str]:
    return lambda value: "" if value == "" else parse(value)


def _optional_size(value: object) -> int:
    """An empty text is 0, which is the default."""
    return 0 if value == "" else size_from(_LEAST_BYTES)(value)


_address = text(ADDRESS, "the name or address of a machine")
_path = text(r"/[^\0\n:]+", "an absolute path")


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
        cfiddle: the images' CFiddle: a version, or the path of a wheel or of its sources; empty for
            the version that is installed here.
        user_packages, sandbox_packages: what is installed in these images in addition.
        jupyter_port: where JupyterLab is published on the head.
        queued_jobs: how many jobs a user may have in the queue.
        user_memory: bytes for all on the user node together; 0: three quarters of the head's.
        home_quota: bytes that one account may have in its home; 0: as many as there are.
        policy: the workers' sandbox policy.

    Raises:
        ConfigError: the parts do not fit together.
    """

    name: str = key("cfiddle", text(r"[a-z][a-z0-9-]{0,31}", "a name of a-z, 0-9 and -"))
    head: str = key(LOCAL, _address)
    workers: tuple[str, ...] = key((), _texts(ADDRESS, "names or addresses of machines"))
    ssh_user: str = key("root", text(r"[a-z_][a-z0-9_-]{0,31}", "the name of an account"))
    advertise: str = key("", _or_empty(_address))
    home: str = key("volume", choice(*HOMES))
    home_path: str = key("/srv/cfiddle/home", _path)
    nfs_server: str = key("", _or_empty(_address))
    registry: bool = key(True, flag)
    base: str = key("auto", choice(*BASES))
    ca_bundle: str = key("", _or_empty(_path))
    mirror: str = key("", _or_empty(text(r"https?://\S+", "an http address")))
    cfiddle: str = key("", packages.cfiddle_entry)
    user_packages: Packages = field(
        default_factory=Packages, metadata=subtable("user_packages", Packages)
    )
    sandbox_packages: Packages = field(
        default_factory=Packages, metadata=subtable("sandbox_packages", Packages)
    )
    jupyter_port: int = key(8888, whole(1, 65535))
    queued_jobs: int = key(50, whole(1, 10000))
    user_memory: int = key(0, _optional_size)
    home_quota: int = key(0, _optional_size)
    policy: Policy = field(default_factory=Policy, metadata=subtable("sandbox", Policy))

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


def load(path: Path = FILE) -> Config:
    """The cluster that a file describes.

    Raises:
        ConfigError: the file is not there, no TOML, or holds something wrong.
    """
    where = f"the file {path}"
    try:
        table = tables.read(path, where)
    except tables.TableError as error:
        raise ConfigError(str(error)) from error
    if table is None:
        raise ConfigError(f"There is no {path}: `python -m cfiddle_slurm.cluster init` writes one.")
    return located(_described(table, where), path.parent, where)


def located(config: Config, folder: Path, where: str) -> Config:
    """The cluster with the whole paths of the packages that its file names, which are there.

    Args:
        folder: of the file, to which they are relative.
        where: what the file is, for errors.

    Raises:
        ConfigError: one is missing, or is something else.
    """
    setting = "cfiddle"
    try:
        cfiddle = packages.located_cfiddle(config.cfiddle, folder)
        setting = "user_packages."
        user = packages.located(config.user_packages, folder)
        setting = "sandbox_packages."
        sandbox = packages.located(config.sandbox_packages, folder)
    except ValueError as error:
        separator = "" if setting.endswith(".") else " "
        raise ConfigError(f"The setting {setting}{separator}{error} (in {where}).") from error
    return replace(config, cfiddle=cfiddle, user_packages=user, sandbox_packages=sandbox)


def parse(text: str, path: Path | str) -> Config:
    """The cluster that a file of that text describes.

    Raises:
        ConfigError: the text is no TOML, or holds something wrong.
    """
    where = f"the file {path}"
    try:
        return _described(tables.parse(text, where), where)
    except tables.TableError as error:
        raise ConfigError(str(error)) from error


def _described(table: Mapping[str, Any], where: str) -> Config:
    try:
        return Config(**tables.checked(table, Config, where))
    except tables.TableError as error:
        raise ConfigError(str(error)) from error
    except ConfigError as error:
        raise ConfigError(f"In {where}: {error}") from error


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

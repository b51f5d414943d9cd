"""The compose files: which a cluster needs, what their variables stand for, and parts of them."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config

ALL_BUT_USER_NODE, USER_NODE = "stack.yml", "user.yml"
_SERVICE = re.compile(r"  ([^\s:]+):\s*")


def environment(config: Config, cluster_image: str, user_image: str, memory: int) -> dict[str, str]:
    """What the compose files' ``${...}`` stand for.

    Args:
        memory: bytes for all on the user node together.
    """
    variables = {
        "CFIDDLE_CLUSTER_IMAGE": cluster_image,
        "CFIDDLE_USER_IMAGE": user_image,
        "CFIDDLE_USER_MEMORY": str(memory),
        "CFIDDLE_JUPYTER_PORT": str(config.jupyter_port),
        "CFIDDLE_HOME_PATH": config.home_path,
        "CFIDDLE_NFS_SERVER": config.nfs_server or config.advertise or config.head,
        "CFIDDLE_NFS_OPTIONS": rendering.NFS_OPTIONS,
        "CFIDDLE_RETIRE_SECONDS": str(rendering.retire_seconds(config)),
        "CFIDDLE_STOP_GRACE": f"{rendering.retire_seconds(config) + 30}s",
        **{file.variable: file.name for file in rendering.configuration(config)},
    }
    return {
        **os.environ,
        **variables,
        rendering.EDITION: rendering.edition(_texts(config, USER_NODE), variables),
        rendering.SANDBOX_IMAGE: config.policy.images[0],
    }


def files(config: Config, part: str = ALL_BUT_USER_NODE) -> list[str]:
    """The compose files of a part of the stack, as options of ``docker stack``."""
    return [f"--compose-file={path}" for path in _places(config, part)]


def _places(config: Config, part: str) -> list[Path]:
    names = [part, *([] if config.home == "volume" else [f"{config.home}.yml"])]
    return [kit.folder("cluster") / name for name in names]


def _texts(config: Config, part: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in _places(config, part)]


def services(config: Config, part: str = ALL_BUT_USER_NODE) -> set[str]:
    """The names of the services in a part of the stack."""
    return {name for text in _texts(config, part) for _, name in _by_service(text)} - {""}


def only(text: str, names: Collection[str]) -> str:
    """The text with these services and no others; networks, volumes and the rest stay.

    Args:
        text: as Docker prints it: two blanks before the name of a service, more before what it is.
    """
    return "".join(line for line, name in _by_service(text) if not name or name in names)


def _by_service(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the name of the service that it is of; empty for all that is of none."""
    inside, name = False, ""
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith((" ", "#")):
            inside, name = line.strip() == "services:", ""
        elif inside and (found := _SERVICE.fullmatch(line.rstrip("\n"))):
            name = found[1]
        yield line, name

"""The compose files: which a cluster needs, what their variables stand for, and parts of them."""

import os
import re
from collections.abc import Collection
from pathlib import Path

from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config

ALL_BUT_USER_NODE, USER_NODE = "stack.yml", "user.yml"
_SERVICE = re.compile(r"  ([^\s:]+):\s*")


def environment(
    config: Config, cluster_image: str, user_image: str, memory: int = 0
) -> dict[str, str]:
    """What the compose files' ``${...}`` stand for."""
    variables = _variables(config, cluster_image, user_image, memory)
    texts = [path.read_text(encoding="utf-8") for path in _places(config, USER_NODE)]
    return {
        **os.environ,
        **variables,
        rendering.EDITION: rendering.edition(texts, variables),
        rendering.SANDBOX_IMAGE: config.policy.images[0],
    }


def _variables(config: Config, cluster_image: str, user_image: str, memory: int) -> dict[str, str]:
    return {
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


def files(config: Config, part: str = ALL_BUT_USER_NODE) -> list[str]:
    """The compose files of a part of the stack, as options of ``docker stack``."""
    return [f"--compose-file={path}" for path in _places(config, part)]


def _places(config: Config, part: str) -> list[Path]:
    names = [part, *([] if config.home == "volume" else [f"{config.home}.yml"])]
    return [kit.folder("cluster") / name for name in names]


def services(config: Config, part: str = ALL_BUT_USER_NODE) -> set[str]:
    """The names of the services in a part of the stack."""
    found: set[str] = set()
    for path in _places(config, part):
        inside = False
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith((" ", "#")):
                inside = line.strip() == "services:"
            elif inside and (name := _SERVICE.fullmatch(line)):
                found.add(name[1])
    return found


def only(text: str, names: Collection[str]) -> str:
    """The text with these services and no others; networks, volumes and the rest stay.

    Args:
        text: as Docker prints it: two blanks before the name of a service, more before what it is.
    """
    kept, inside, wanted = [], False, True
    for line in text.splitlines(keepends=True):
        if not line.startswith(" "):
            inside, wanted = line.strip() == "services:", True
        elif inside and (found := _SERVICE.fullmatch(line.rstrip("\n"))):
            wanted = found[1] in names
        if wanted:
            kept.append(line)
    return "".join(kept)

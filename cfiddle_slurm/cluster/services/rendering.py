"""What services get that follows from ``cluster.toml``: their compose files and configuration."""

import hashlib
import math
import os
import re
import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomlkit

from cfiddle_slurm.cluster.image.images import SANDBOX
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.sandbox.policy import Policy

CONFIG_PREFIX = "cfiddle_config_"
EDITION, SANDBOX_IMAGE = "CFIDDLE_USER_EDITION", "CFIDDLE_SANDBOX_IMAGE"
"""The compose files' variables for their labels."""
NFS_OPTIONS = "rw,hard,nfsvers=4.2"
_SPARE_MINUTES = 5
"""Slurm's limit is above the sandbox's: it is the sandbox that should end a run, and say why."""
_SPARE_SECONDS = 60
ALL_BUT_USER_NODE, USER_NODE = "stack.yml", "user.yml"
_SERVICE = re.compile(r"  ([^\s:]+):\s*")


@dataclass(frozen=True)
class ConfigurationFile:
    """A file that services get from the swarm.

    Attributes:
        variable: by which the compose file names it.
        name: in the swarm; it changes with the text, so that services follow a change.
        text: its content.
    """

    variable: str
    name: str
    text: str


def configuration(config: Config) -> list[ConfigurationFile]:
    """The files that the services of a cluster need."""
    texts = {"slurm_conf": slurm_conf(config), "sandbox_policy": policy_toml(config.policy)}
    return [
        ConfigurationFile(f"CFIDDLE_{what.upper()}", f"{CONFIG_PREFIX}{what}_{_digest(text)}", text)
        for what, text in texts.items()
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def slurm_conf(config: Config) -> str:
    """The text of slurm.conf."""
    template = (kit.folder("cluster") / "slurm.conf").read_text(encoding="utf-8")
    minutes = math.ceil(config.policy.wall_seconds / 60) + _SPARE_MINUTES
    return string.Template(template).substitute(cluster_name=config.name, default_minutes=minutes)


def pinned(config: Config, sandbox: str) -> Config:
    """The cluster with the sandbox image that it is to use, by a tag of its content.

    Were it called "latest", a mere build would change what running notebooks' experiments get.
    """
    names = config.policy.images
    if names[0] != SANDBOX.tag:
        return config  # the administrator's own choice
    return replace(config, policy=replace(config.policy, images=(sandbox, *names)))


def edition(texts: list[str], variables: Mapping[str, str]) -> str:
    """A text that changes whenever a service of these compose files would be replaced.

    What stands for itself only, comments and the labels' variables, does not count.
    """
    rules = "\n".join(re.sub(r"(?m)^\s*#.*\n", "", text) for text in texts)
    named = sorted(set(re.findall(r"\$\{(\w+)", rules)) - {EDITION, SANDBOX_IMAGE})
    values = [f"{name}={variables.get(name, '')}" for name in named]
    return _digest("\n".join([rules, *values]))


def policy_toml(policy: Policy) -> str:
    """A policy in the form of its file."""
    return tomlkit.dumps(asdict(policy))


def limits_toml(policy: Policy, libraries: Sequence[str] = ()) -> str:
    """What a policy allows, as settings that the notebooks read before they submit anything.

    Args:
        libraries: the shared libraries of the sandbox image; none if they are not known.
    """
    limits: dict[str, object] = {
        "max_time_limit": policy.wall_seconds,
        "max_memory": policy.memory,
        "max_inputs": policy.bundle_bytes,
        "allowed_images": policy.images,
    }
    if libraries:
        limits["sandbox_libraries"] = " ".join(libraries)  # one text: a list takes longer to read
    return tomlkit.dumps(limits)


def retire_seconds(config: Config) -> int:
    """How long a worker that is to be replaced may take to finish its present run."""
    return math.ceil(config.policy.wall_seconds) + _SPARE_SECONDS


def home_options(config: Config) -> dict[str, str]:
    """The options of the head's volume with the homes.

    What the head itself exports it uses directly: through NFS its root would be nobody, too.
    """
    if config.home == "nfs" and config.nfs_server:
        address = f"addr={config.nfs_server},{NFS_OPTIONS}"
        return {"type": "nfs", "o": address, "device": f":{config.home_path}"}
    if config.home in ("bind", "nfs"):
        return {"type": "none", "o": "bind", "device": config.home_path}
    return {}


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
        "CFIDDLE_NFS_OPTIONS": NFS_OPTIONS,
        "CFIDDLE_RETIRE_SECONDS": str(retire_seconds(config)),
        "CFIDDLE_STOP_GRACE": f"{retire_seconds(config) + 30}s",
        **{file.variable: file.name for file in configuration(config)},
    }
    return {
        **os.environ,
        **variables,
        EDITION: edition(_texts(config, USER_NODE), variables),
        SANDBOX_IMAGE: config.policy.images[0],
    }


def compose_files(config: Config, part: str = ALL_BUT_USER_NODE) -> list[str]:
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

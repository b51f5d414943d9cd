"""What of the services' configuration follows from ``cluster.toml``. Pure functions."""

import hashlib
import math
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

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

    @classmethod
    def of(cls, what: str, text: str) -> "ConfigurationFile":
        """The file with a name of its own."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return cls(f"CFIDDLE_{what.upper()}", f"{CONFIG_PREFIX}{what}_{digest}", text)


def configuration(config: Config) -> list[ConfigurationFile]:
    """The files that the services of a cluster need."""
    return [
        ConfigurationFile.of("slurm_conf", slurm_conf(config)),
        ConfigurationFile.of("sandbox_policy", policy_toml(config.policy)),
    ]


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
    return hashlib.sha256("\n".join([rules, *values]).encode()).hexdigest()[:12]


def policy_toml(policy: Policy) -> str:
    """A policy in the form of its file."""
    return "".join(
        f"{field.name} = {_toml(getattr(policy, field.name))}\n" for field in fields(Policy)
    )


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
    return "".join(f"{name} = {_toml(value)}\n" for name, value in limits.items())


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    # Names and lists of numbers, all checked: no character of them has to be escaped.
    return f'"{value}"' if isinstance(value, str) else str(value)


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

"""What of a cluster cannot be changed while its data are there: it is refused at the beginning."""

import base64
import binascii
import re

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image.images import CLUSTER
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.services import rendering, stack
from cfiddle_slurm.cluster.site.config import Config

_STATE_VOLUME = "cfiddle_state"
_NAME = re.compile(r"^ClusterName=(\S+)", re.MULTILINE)
_CONFIGS = "--format={{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}} {{end}}"


def check(head: Machine, config: Config) -> None:
    """Refuse what would be a cluster's end or the loss of its data.

    Raises:
        MachineError: its name is another than that of the data.
        ConfigError: its homes are another folder's.
    """
    name = _running_name(head) or _kept_name(head)
    if name and name != config.name:
        raise MachineError(
            f"The cluster on {head} is called {name!r}, and Slurm's state and accounting are for"
            f" that name; cluster.toml says {config.name!r}. Set name = {name!r} there."
        )
    stack.check_home(head, config)


def _running_name(head: Machine) -> str:
    """The name in the configuration that the controller has."""
    if swarm.state(head) != "active":
        return ""
    found = head.try_docker("service", "inspect", _CONFIGS, f"{stack.NAME}_controller")
    for one in found.stdout.split():
        if one.startswith(f"{rendering.CONFIG_PREFIX}slurm_conf_"):
            data = head.docker("config", "inspect", "--format={{json .Spec.Data}}", one)
            return name_in(data.strip('"'))
    return ""


def name_in(data: str) -> str:
    """The cluster's name in a slurm.conf in base64; empty if there is none. Pure."""
    try:
        text = base64.b64decode(data).decode(errors="replace")
    except binascii.Error:
        return ""
    found = _NAME.search(text)
    return found[1] if found else ""


def _kept_name(head: Machine) -> str:
    """The name that slurmctld wrote down, when the cluster is down and its state was kept."""
    volume = head.try_docker("volume", "inspect", "--format={{.Name}}", _STATE_VOLUME)
    if volume.status != 0:
        return ""
    done = head.try_docker(
        "run", "--rm", "--network=none", f"--volume={_STATE_VOLUME}:/state:ro", "--entrypoint=cat",
        CLUSTER.tag, "/state/slurmctld/clustername",
    )  # fmt: skip
    # Without a state there is no such file: then nothing depends on a name.
    return kept_name_in(done.stdout) if done.status == 0 else ""


def kept_name_in(text: str) -> str:
    """The name in slurmctld's file; since Slurm 24.11 an id of the cluster comes after it. Pure."""
    return text.strip().partition("|")[0]

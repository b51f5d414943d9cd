"""What the sandbox policy allows and its image has, made known to the notebooks."""

from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.image import labels
from cfiddle_slurm.cluster.image.images import CLUSTER
from cfiddle_slurm.cluster.services import rendering, stack
from cfiddle_slurm.cluster.site.config import Config

# On the shared home, beside the accounts, and not a configuration of the user node's service: a new
# policy must not replace that service, and every notebook with it. By rename: a reader sees the
# old file or the new one.
_PROGRAM = """
set -eu
umask 022
install -d -o root -g root -m 0755 /home/.accounts
cat >/home/.accounts/.limits.toml
mv /home/.accounts/.limits.toml /home/.accounts/limits.toml
"""


def publish(head: Machine, config: Config) -> None:
    """Write the limits where the user node's settings look for them.

    Raises:
        MachineError: the home cannot be written.
    """
    libraries = labels.libraries_of(head, config.policy.images[0])
    head.docker(
        "run", "--rm", "--interactive", "--network=none", f"--volume={stack.HOME_VOLUME}:/home",
        "--entrypoint=/bin/sh", CLUSTER.tag, "-c", _PROGRAM,
        input=rendering.limits_toml(config.policy, libraries).encode(),
    )  # fmt: skip

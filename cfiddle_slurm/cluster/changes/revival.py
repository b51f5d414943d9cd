"""A head that was off for so long that its swarm's certificates have expired.

Docker advises to leave the swarm, which loses services and secrets. A head that makes the swarm
anew out of what is on its disk (``--force-new-cluster``) may start with an expired certificate, and
renews it at once; but Docker takes that only from a machine that does not know it is in a swarm.
"""

import json
from collections.abc import Callable

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.hosts.waiting import until
from cfiddle_slurm.cluster.members import swarm_state
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.cluster.site import kit

_SECONDS = 300.0
_NEW_SECONDS = 60.0
# The engine reads the file at its start only, and has written it when it joined. Where no systemd
# looks after the engine, somebody else may; if not, `engine.sh up` starts one.
_SET_ASIDE = """
set -eu
state=$1/swarm/docker-state.json
cat "$state"
mv "$state" "$state.expired"
if [ -d /run/systemd/system ]; then
    systemctl restart docker
else
    pid=$(cat /var/run/docker.pid)
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    tries=0
    until docker version >/dev/null 2>&1 || [ "$tries" -ge 30 ]; do
        tries=$((tries + 1))
        sleep 0.5
    done
fi
"""
# That it cannot be read is not that it is not there.
_LEFT = 'left=$1/swarm/docker-state.json.expired; [ ! -e "$left" ] || cat "$left"'
_DONE = 'rm -f "$1/swarm/docker-state.json.expired"'


def renew_if_expired(head: Machine, say: Callable[[str], None]) -> None:
    """Renew a head's certificates if they have expired; nothing is lost by that.

    Raises:
        MachineError: it did not succeed.
    """
    root, state, _, reason = swarm_state.told(head)
    left = ""
    if state == "inactive":
        # Whoever did this was interrupted in the middle: a plain `swarm init` would clear the disk.
        left = head.check_shell(_LEFT, root)
    elif swarm_state.is_expired(reason):
        say(f"the swarm's certificates on {head} have expired: renewing them restarts Docker there")
        left = head.check_shell(_SET_ASIDE, root, timeout=_SECONDS)
        engine = (kit.folder("cluster") / "engine.sh").read_text(encoding="utf-8")
        head.check_shell(engine, "up", timeout=_SECONDS)
    if not left:
        return
    known = json.loads(left)
    head.docker(
        "swarm", "init", "--force-new-cluster", f"--advertise-addr={known['AdvertiseAddr']}",
        f"--listen-addr={known['ListenAddr']}",
    )  # fmt: skip
    for _ in until(_NEW_SECONDS, 1):
        _, state, manages, _ = swarm_state.told(head)
        if state == "active" and manages:
            break
    else:
        raise MachineError(
            f"The swarm on {head} did not come back: `journalctl -u docker` there says why."
            f" Its old state is in {root}/swarm."
        )
    if stack.services(head):
        # The new swarm gives its networks' numbers a second time (to more than one network: "error
        # creating vxlan interface: file exists"). Made anew, each has its own.
        stack.remove(head)
    head.check_shell(_DONE, root)
    say(f"the swarm on {head} is back with its secrets; its services are starting")


def is_fine(head: Machine) -> bool:
    """Whether :func:`renew_if_expired` has nothing to do.

    Raises:
        MachineError: Docker does not answer.
    """
    root, state, _, reason = swarm_state.told(head)
    if state == "inactive":
        return not head.check_shell(_LEFT, root)
    return not swarm_state.is_expired(reason)

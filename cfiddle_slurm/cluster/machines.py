"""Docker's swarm: the machines, and what each of them is for."""

from cfiddle_slurm import process

ROLES = ("head", "worker", "user")
_MADE_HERE = "cfiddle.swarm"
_SECONDS = 60.0


def swarm_state() -> str:
    """``inactive``, ``pending``, ``active`` or ``locked``, as the engine says.

    Raises:
        ProcessError: no engine answers.
    """
    arguments = ["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"]
    return process.check(arguments, timeout=_SECONDS).strip()


def make_local_swarm() -> None:
    """Make sure that this machine is a swarm's manager, alone if there was no swarm before.

    Raises:
        ProcessError: Docker refused.
    """
    if swarm_state() != "active":
        # Loopback: a swarm of one machine has nobody to listen to.
        process.check(
            [
                "docker",
                "swarm",
                "init",
                "--advertise-addr=127.0.0.1",
                "--listen-addr=127.0.0.1:2377",
            ],
            timeout=_SECONDS,
        )
        label(this_machine(), {_MADE_HERE: "made-here"})
    label(this_machine(), {f"cfiddle.{role}": "true" for role in ROLES})


def this_machine() -> str:
    """The swarm's id of this machine."""
    arguments = ["docker", "info", "--format", "{{.Swarm.NodeID}}"]
    return process.check(arguments, timeout=_SECONDS).strip()


def label(machine: str, labels: dict[str, str]) -> None:
    """Put labels on a machine of the swarm.

    Raises:
        ProcessError: Docker refused.
    """
    options = [f"--label-add={key}={value}" for key, value in labels.items()]
    process.check(["docker", "node", "update", *options, machine], timeout=_SECONDS)


def leave_local_swarm() -> bool:
    """Leave the swarm if :func:`make_local_swarm` made it. Returns whether it did.

    Raises:
        ProcessError: Docker refused.
    """
    if swarm_state() != "active":
        return False
    template = f'{{{{index .Spec.Labels "{_MADE_HERE}"}}}}'
    arguments = ["docker", "node", "inspect", "--format", template, this_machine()]
    if process.check(arguments, timeout=_SECONDS).strip() != "made-here":
        return False
    process.check(["docker", "swarm", "leave", "--force"], timeout=_SECONDS)
    return True

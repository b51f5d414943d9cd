"""Bring the images from the head, where they are built, to every machine that runs them."""

import socket
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from cfiddle_slurm import process
from cfiddle_slurm.cluster.images import CLUSTER, IMAGES, REGISTRY, SANDBOX, USER, Image, exists
from cfiddle_slurm.cluster.machines import (
    Machine,
    MachineError,
    on_each,
    own_connection,
    tunnel,
)

_REGISTRY = "cfiddle-registry"
_PORT = 5017
"""Of the registry, on the head's loopback and, while it pulls, on a worker's."""
_SECONDS = 900.0


def wanted(machine: Machine, head: Machine) -> tuple[Image, ...]:
    """The images that a machine runs."""
    return IMAGES if machine == head else (CLUSTER, SANDBOX)


def digests(machine: Machine) -> dict[str, str]:
    """Docker's id of each image that a machine has, by name."""
    found = {}
    for image in (SANDBOX, CLUSTER, USER):
        done = machine.try_docker("image", "inspect", "--format={{.Id}}", image.tag)
        if done.status == 0:
            found[image.name] = done.stdout.strip()
    return found


def check_built(head: Machine) -> dict[str, str]:
    """The ids of the images on the head.

    Raises:
        MachineError: one is not built.
    """
    found = digests(head)
    for image in IMAGES:
        if image.name not in found:
            raise MachineError(
                f"The image {image.name} is not built on {head}: "
                "run `python -m cfiddle_slurm.cluster images build`."
            )
    return found


def push(
    head: Machine, machines: Iterable[Machine], say: Callable[[str], None], *, registry: bool
) -> None:
    """See to it that each machine has the head's images, and check it.

    Args:
        registry: whether they go through the head's registry, or are copied one by one.

    Raises:
        MachineError: an image could not be brought to a machine, or arrived as another.
    """
    right = check_built(head)
    missing = {
        machine: [
            image for image in wanted(machine, head) if have.get(image.name) != right[image.name]
        ]
        for machine, have in on_each(machines, digests).items()
    }
    behind = {machine: images for machine, images in missing.items() if images}
    if behind:
        if registry:
            _through_registry(head, right, behind, say)
        else:
            for machine, images in behind.items():
                say(f"{machine}: copying {', '.join(image.name for image in images)}")
                _copy(head, machine, [image.tag for image in images])
        _check(right, behind)
    on_each([machine for machine in missing if machine != head], lambda m: _tag(m, head, right))


def push_older(
    head: Machine, machines: Iterable[Machine], tags: Iterable[str], say: Callable[[str], None]
) -> None:
    """See to it that each machine has the sandbox images, by tag, that open notebooks need.

    One that the head has no more is left out.

    Raises:
        MachineError: an image could not be brought to a machine.
    """
    prefix = f"{SANDBOX.name}:"
    wanted = [tag for tag in sorted(tags) if tag.startswith(prefix) and exists(head, tag)]
    missing = on_each(machines, lambda m: [tag for tag in wanted if not exists(m, tag)])
    for machine, lacking in missing.items():
        if lacking:
            say(f"{machine}: copying {', '.join(lacking)}")
            _copy(head, machine, lacking)


def _copy(head: Machine, machine: Machine, tags: list[str]) -> None:
    done = process.pipe(
        head.docker_arguments("save", *tags),
        machine.docker_arguments("load", "--quiet"),
        timeout=_SECONDS,
    )
    if done.status != 0:
        raise MachineError(f"The images could not be copied to {machine}: {done.stderr.strip()}")


def _check(right: dict[str, str], behind: dict[Machine, list[Image]]) -> None:
    for machine, have in on_each(behind, digests).items():
        for image in behind[machine]:
            if have.get(image.name) != right[image.name]:
                raise MachineError(
                    f"{image.name} on {machine} is {have.get(image.name)}, not the head's "
                    f"{right[image.name]}."
                )


def _tag(machine: Machine, head: Machine, right: dict[str, str]) -> None:
    for image in wanted(machine, head):
        machine.docker("tag", image.tag, image.tag_of(right[image.name]))


def ensure_registry(head: Machine) -> None:
    """Start the head's registry, which listens on its loopback only.

    Raises:
        MachineError: it cannot be started.
    """
    done = head.try_docker("container", "inspect", "--format={{.State.Running}}", _REGISTRY)
    if done.status == 0 and done.stdout.strip() == "true":
        return
    head.try_docker("rm", "--force", _REGISTRY)
    head.docker(
        "run", "--detach", f"--name={_REGISTRY}", "--restart=always",
        f"--publish=127.0.0.1:{_PORT}:5000", "--volume=cfiddle_registry:/var/lib/docker-registry",
        REGISTRY.tag,
    )  # fmt: skip


def remove_registry(head: Machine) -> None:
    """Stop the registry; what it holds stays in its volume."""
    head.try_docker("rm", "--force", _REGISTRY)


def _through_registry(
    head: Machine,
    right: dict[str, str],
    behind: dict[Machine, list[Image]],
    say: Callable[[str], None],
) -> None:
    ensure_registry(head)
    for image in {image for images in behind.values() for image in images}:
        place = _place(image, right)
        say(f"pushing {image.name} to the registry on {head}")
        head.docker("tag", image.tag, place)
        head.docker("push", "--quiet", place, timeout=_SECONDS)
        head.docker("image", "rm", place)
    port = _PORT if head.is_local else _free_port()
    with nullcontext() if head.is_local else tunnel(head, port, _PORT):
        for machine, images in behind.items():
            say(f"{machine}: pulling {', '.join(image.name for image in images)}")
            _pull(machine, [_place(image, right) for image in images], images, port)


def _place(image: Image, right: dict[str, str]) -> str:
    return f"127.0.0.1:{_PORT}/{image.tag_of(right[image.name])}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pull(machine: Machine, places: list[str], images: list[Image], port: int) -> None:
    """Pull through ssh: an engine trusts a registry without certificates on its loopback only."""
    pulls = [
        f"docker pull --quiet {place} && docker tag {place} {image.tag} && docker image rm {place}"
        for place, image in zip(places, images, strict=True)
    ]
    done = process.run(
        [
            "ssh", "-o", "BatchMode=yes", *own_connection(), "-o", "ExitOnForwardFailure=yes",
            "-R", f"127.0.0.1:{_PORT}:127.0.0.1:{port}", f"{machine.user}@{machine.address}",
            " && ".join(pulls),
        ],
        timeout=_SECONDS,
    )  # fmt: skip
    if done.status != 0:
        words = " ".join(done.stderr.split()[-40:])
        raise MachineError(f"{machine} could not pull the images: {words}")

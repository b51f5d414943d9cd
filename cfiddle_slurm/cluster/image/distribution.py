"""Bring the images from the head, where they are built, to every machine that runs them."""

import socket
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import (
    FORWARDING,
    Machine,
    MachineError,
    try_each,
    tunnel,
)
from cfiddle_slurm.cluster.image import content
from cfiddle_slurm.cluster.image.images import CLUSTER, IMAGES, REGISTRY, SANDBOX, Image, exists
from cfiddle_slurm.process import ProcessError

_REGISTRY = "cfiddle-registry"
_PORT = 5017
"""Of the registry, on the head's loopback and, while it pulls, on a worker's."""
_SECONDS = 900.0
Failures = dict[Machine, MachineError | ProcessError]
"""Machines that did not get the images, and why."""


def wanted(machine: Machine, head: Machine) -> tuple[Image, ...]:
    """The images that a machine runs."""
    return IMAGES if machine == head else (CLUSTER, SANDBOX)


def digests(machine: Machine) -> dict[str, str]:
    """A digest of the content of each image that a machine has, by name."""
    return content.of(machine, IMAGES)


def check_built(head: Machine) -> dict[str, str]:
    """The digests of the images on the head.

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
) -> Failures:
    """See to it that each machine has the head's images, and check it.

    Args:
        registry: whether they go through the head's registry, or are copied one by one.

    Returns:
        The machines that have not, and why: an image could not be brought there, or arrived as
        another. The others have them.

    Raises:
        MachineError: the head does not have them, or cannot give them away.
    """
    right = check_built(head)
    has, failures = try_each([machine for machine in machines if machine != head], digests)
    behind = {m: images for m, have in has.items() if (images := _missing(m, head, have, right))}
    if behind:
        bring = _through_registry if registry else _copied
        failures |= bring(head, right, behind, say)
        brought = [machine for machine in behind if machine not in failures]
        _, unlike = try_each(brought, lambda m: _check(m, right, behind[m]))
        failures |= unlike
    complete = [machine for machine in has if machine not in failures]
    _, untagged = try_each(complete, lambda machine: _tag(machine, head, right))
    return {**failures, **untagged}


def _missing(
    machine: Machine, head: Machine, have: dict[str, str], right: dict[str, str]
) -> list[Image]:
    return [image for image in wanted(machine, head) if have.get(image.name) != right[image.name]]


def are_everywhere(head: Machine, machines: Iterable[Machine]) -> bool:
    """Whether each machine has the head's images; one that does not answer has not.

    Raises:
        MachineError: the head does not have them.
    """
    right = check_built(head)
    has, failures = try_each(machines, digests)
    return not failures and not any(_missing(m, head, have, right) for m, have in has.items())


def _copied(
    head: Machine,
    right: dict[str, str],
    behind: dict[Machine, list[Image]],
    say: Callable[[str], None],
) -> Failures:
    failures: Failures = {}
    for machine, images in behind.items():
        say(f"{machine}: copying {', '.join(image.name for image in images)}")
        try:
            _copy(head, machine, [image.tag for image in images])
        except (MachineError, ProcessError) as error:
            failures[machine] = error
    return failures


def push_older(
    head: Machine, machines: Iterable[Machine], tags: Iterable[str], say: Callable[[str], None]
) -> Failures:
    """See to it that each machine has the sandbox images, by tag, that open notebooks need.

    One that the head has no more is left out.

    Returns:
        The machines to which an image could not be brought, and why.
    """
    prefix = f"{SANDBOX.name}:"
    wanted = [tag for tag in sorted(tags) if tag.startswith(prefix) and exists(head, tag)]

    def bring(machine: Machine) -> None:
        missing = [tag for tag in wanted if not exists(machine, tag)]
        if missing:
            say(f"{machine}: copying {', '.join(missing)}")
            _copy(head, machine, missing)

    _, failures = try_each(machines, bring)
    return failures


def _copy(head: Machine, machine: Machine, tags: list[str]) -> None:
    done = process.pipe(
        head.docker_arguments("save", *tags),
        machine.docker_arguments("load", "--quiet"),
        timeout=_SECONDS,
    )
    if done.status != 0:
        raise MachineError(f"The images could not be copied to {machine}: {done.last_words}")


def _check(machine: Machine, right: dict[str, str], images: list[Image]) -> None:
    have = digests(machine)
    for image in images:
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
) -> Failures:
    ensure_registry(head)
    for image in {image for images in behind.values() for image in images}:
        place = _place(image, right)
        say(f"pushing {image.name} to the registry on {head}")
        head.docker("tag", image.tag, place)
        head.docker("push", "--quiet", place, timeout=_SECONDS)
        head.docker("image", "rm", place)
    failures: Failures = {}
    port = _PORT if head.is_local else _free_port()
    with nullcontext() if head.is_local else tunnel(head, port, _PORT):
        for machine, images in behind.items():
            say(f"{machine}: pulling {', '.join(image.name for image in images)}")
            try:
                _pull(machine, [_place(image, right) for image in images], images, port)
            except (MachineError, ProcessError) as error:
                failures[machine] = error
    return failures


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
    forward = ("-R", f"127.0.0.1:{_PORT}:127.0.0.1:{port}")
    command = machine.ssh_arguments(" && ".join(pulls), *FORWARDING, *forward)
    done = process.run(command, timeout=_SECONDS)
    if done.status != 0:
        raise MachineError(f"{machine} could not pull the images: {done.last_words}")

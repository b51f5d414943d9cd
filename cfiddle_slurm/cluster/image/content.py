"""What is in an image, whichever way an engine stores it.

Docker's own id of an image is the digest of its configuration in the classic store, and that of its
manifest in containerd's: two engines may call the same image differently.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cfiddle_slurm.cluster.hosts.machines import Machine, failed
from cfiddle_slurm.cluster.image.images import Image

_PARTS = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "StopSignal",
          "StopTimeout", "User", "Volumes", "WorkingDir")  # fmt: skip
_NO_IMAGE = "no such image"


def digest(image: Mapping[str, Any]) -> str:
    """A digest of an image's files and of what its containers are started with. Pure.

    Args:
        image: what ``docker image inspect`` says of it.
    """
    config: Mapping[str, Any] = image.get("Config") or {}
    content = {
        "platform": [image.get("Os"), image.get("Architecture")],
        "layers": (image.get("RootFS") or {}).get("Layers") or [],
        # A store may leave out what is empty.
        "config": {part: config[part] for part in _PARTS if config.get(part)},
    }
    text = json.dumps(content, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def of(machine: Machine, images: Iterable[Image]) -> dict[str, str]:
    """The digests of those images that are on a machine, by name.

    Raises:
        MachineError: the engine does not answer.
    """
    wanted = {image.tag: image.name for image in images}
    done = machine.try_docker("image", "inspect", *wanted)
    words = [line for line in done.stderr.splitlines() if _NO_IMAGE not in line.lower()]
    if done.status != 0 and (words or not done.stderr):
        raise failed(machine, ("image", "inspect"), done)
    return {
        wanted[tag]: digest(image)
        for image in json.loads(done.stdout or "[]")
        for tag in image.get("RepoTags") or ()
        if tag in wanted
    }

"""What ``docker image inspect`` says of one image, in the words of both kinds of store."""

import json
from typing import Any

LAYERS = ["sha256:" + "1" * 64, "sha256:" + "2" * 64]


def facts(name: str = "cluster", *, mark: str = "right") -> dict[str, Any]:
    """As an engine with the classic store tells of it (26.1).

    Args:
        name: which image, without the prefix.
        mark: another one stands for another content.
    """
    return {
        "Id": "sha256:" + "c" * 64,
        "RepoTags": [f"cfiddle-{name}:latest"],
        "RepoDigests": [],
        "Config": {
            "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False,
            "Env": ["PATH=/usr/bin"], "Cmd": None, "Image": "sha256:" + "e" * 64, "Volumes": None,
            "WorkingDir": "", "Entrypoint": ["/usr/local/bin/daemon"], "OnBuild": None,
            "Labels": {"mark": mark, "name": name},
        },
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 523456789,
        "GraphDriver": {"Name": "overlay2", "Data": {"MergedDir": "/var/lib/docker/overlay2/x"}},
        "RootFS": {"Type": "layers", "Layers": LAYERS},
        "Metadata": {"LastTagTime": "2026-01-02T03:04:05Z"},
    }  # fmt: skip


def facts_of_containerd(
    name: str = "cluster", *, mark: str = "right", terse: bool = False
) -> dict[str, Any]:
    """As an engine with containerd's store tells of the same image: its id is the manifest's.

    Args:
        terse: as newer engines do, which leave out what is empty.
    """
    classic = facts(name, mark=mark)
    config = {**classic["Config"], "Image": ""}
    if terse:
        config = {key: value for key, value in config.items() if value}
    return {
        **classic,
        "Id": "sha256:" + "d" * 64,
        "RepoDigests": [f"cfiddle-{name}@sha256:" + "d" * 64],
        "Config": dict(reversed(config.items())),
        "Parent": "",
        "Size": 526483594,
        "GraphDriver": {"Name": "overlayfs", "Data": None},
    }


def inspected(*images: dict[str, Any]) -> str:
    """What the command prints of these."""
    return json.dumps(list(images))

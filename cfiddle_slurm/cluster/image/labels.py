"""What the sandbox image says of itself: for which notebooks it is, and which libraries it has."""

import os
import re

from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.sandbox.versions import LABEL

LIBRARIES = "cfiddle-slurm.libraries"
"""The label with the names of the shared libraries that the loader finds, one blank between two."""
_LISTED = re.compile(r"^\s+([A-Za-z0-9._+-]+) \(.*\) => ", re.MULTILINE)
_VERSIONS = """
from cfiddle_slurm.sandbox import versions
print(versions.text_of(versions.here()))
"""


def write(head: Machine, tag: str) -> None:
    """Ask an image for what is in it, and write that on it.

    Raises:
        MachineError: it cannot say, or the engine cannot write it.
    """
    run = ("run", "--rm", "--network=none")
    versions = head.docker(*run, "--entrypoint=python3", tag, "-I", "-c", _VERSIONS)
    libraries = " ".join(library_names(head.docker(*run, "--entrypoint=ldconfig", tag, "-p")))
    head.docker(
        "build", "--quiet", f"--tag={tag}", f"--label={LABEL}={versions}",
        f"--label={LIBRARIES}={libraries}", "-",
        input=f"FROM {tag}\n".encode(), env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )  # fmt: skip


def library_names(text: str) -> tuple[str, ...]:
    """The names of libraries in what ``ldconfig -p`` prints, sorted. Pure."""
    return tuple(sorted(set(_LISTED.findall(text))))


def libraries_of(head: Machine, tag: str) -> tuple[str, ...]:
    """The libraries of an image that says so; none of one that does not, or is not there."""
    form = f'--format={{{{index .Config.Labels "{LIBRARIES}"}}}}'
    done = head.try_docker("image", "inspect", form, tag)
    return tuple(re.findall(r"[A-Za-z0-9._+-]+", done.stdout)) if done.status == 0 else ()

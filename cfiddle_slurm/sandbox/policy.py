"""What an experiment may use: the administrator's policy, and a request's limits below it."""

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfiddle_slurm import tables
from cfiddle_slurm.tables import key
from cfiddle_slurm.values import parse_cpu_list, seconds, shown, size, size_from, text, whole

POLICY_PATH = Path("/etc/cfiddle-slurm/sandbox.toml")
MIB, GIB = 1 << 20, 1 << 30
# A name the engine accepts, without the room for anything else (a digest may follow the tag).
_IMAGE = re.compile(
    r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
SMALLEST_MEMORY = 16 * MIB
"""The guest itself needs about this much; the engine's own minimum is 6 MiB."""
FITS_CORES = 0.0
"""The CPU time that all the cores together can give within the wall time, ``"auto"`` in a file."""


class PolicyError(ValueError):
    """The policy file is wrong, or a request asks for more than it allows: one sentence."""


def _images(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("must be a list of at least one image name")
    for image in value:
        if not isinstance(image, str) or not _IMAGE.fullmatch(image):
            raise ValueError(f"holds {shown(image)}, which is not the name of an image")
    return tuple(value)


def _cores(value: object) -> str:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            if value == "auto" or parse_cpu_list(value):
                return value
    raise ValueError("must be 'auto' or a list like '0-3,6'")


def _cpu_seconds(value: object) -> float:
    automatic = not isinstance(value, bool) and value in ("auto", 0)
    return FITS_CORES if automatic else seconds(value)


_at_least_one = whole(1)


@dataclass(frozen=True)
class Policy:
    """Limits of one experiment. Sizes in bytes, times in seconds.

    ``images``: allowed images, the first being the default. ``memory``: RAM, no swap; what lies in
    /work and /tmp counts as memory. ``cpu_seconds``: of one process, all its threads together; or
    ``FITS_CORES``. ``cores``: ``"auto"`` or a list like ``"2-3,6"``.
    ``runtime``: an OCI runtime the engine knows, empty for its default. ``connections`` and
    ``connections_per_user`` bound what callers can hold open; ``progress_seconds`` is how long a
    caller may stay silent while it owes its bundle. A worker takes no runs while less than
    ``free_bytes`` are free where Docker keeps its data.
    """

    images: tuple[str, ...] = key(("cfiddle-sandbox:latest",), _images)
    memory: int = key(2 * GIB, size_from(SMALLEST_MEMORY))
    processes: int = key(256, _at_least_one)
    open_files: int = key(1024, _at_least_one)
    wall_seconds: float = key(600.0, seconds)
    cpu_seconds: float = key(FITS_CORES, _cpu_seconds)
    work_bytes: int = key(1 * GIB, size)
    work_inodes: int = key(100_000, _at_least_one)
    tmp_bytes: int = key(64 * MIB, size)
    tmp_inodes: int = key(10_000, _at_least_one)
    output_bytes: int = key(8 * MIB, size)
    result_bytes: int = key(256 * MIB, size)
    bundle_bytes: int = key(1 * GIB, size)
    cores: str = key("auto", _cores)
    runtime: str = key("", text(r"[A-Za-z0-9_.-]{0,64}", "the name of an OCI runtime"))
    busy_wait_seconds: float = key(10.0, seconds)
    progress_seconds: float = key(30.0, seconds)
    free_bytes: int = key(256 * MIB, size)
    connections: int = key(16, _at_least_one)
    connections_per_user: int = key(4, _at_least_one)


@dataclass(frozen=True)
class Limits:
    """What one run may use, after the request lowered the policy."""

    image: str
    memory: int
    wall_seconds: float
    cpu_seconds: float


def load_policy(path: Path = POLICY_PATH) -> Policy:
    """The policy in a file, or the default policy when there is no file.

    Raises:
        PolicyError: the file cannot be read, is not TOML, or holds something wrong.
    """
    where = f"the sandbox policy {path}"
    try:
        return parse_policy(tables.read(path, where) or {}, where)
    except tables.TableError as error:
        raise PolicyError(str(error)) from error


def parse_policy(table: dict[str, Any], where: str) -> Policy:
    """A policy from a TOML table.

    Raises:
        TableError: an unknown key or a wrong value.
    """
    return Policy(**tables.checked(table, Policy, where))


def for_cores(policy: Policy, cores: int) -> Policy:
    """The policy on a machine whose experiments have so many logical cores.

    A run of that many threads uses so many seconds of CPU time in each second: a limit that does
    not know them would end it in the middle.
    """
    if policy.cpu_seconds != FITS_CORES:
        return policy
    return replace(policy, cpu_seconds=policy.wall_seconds * cores)


def merge(policy: Policy, request: dict[str, Any]) -> Limits:
    """The limits of one run: what the request asks for, where that is below the policy.

    Args:
        request: ``image``, ``memory_bytes``, ``wall_seconds``, ``cpu_seconds``; each may be None.

    Raises:
        PolicyError: an image that is not allowed, or a limit above the policy's.
    """
    policy = for_cores(policy, 1)  # where nobody has said how many there are
    image = request.get("image") or policy.images[0]
    if image not in policy.images:
        raise PolicyError(
            f"The image {image!r} is not allowed on this cluster; allowed are"
            f" {', '.join(policy.images)}."
        )
    return Limits(
        image=image,
        memory=int(_lowered("memory_bytes", request.get("memory_bytes"), policy.memory)),
        wall_seconds=_lowered("wall_seconds", request.get("wall_seconds"), policy.wall_seconds),
        cpu_seconds=_lowered("cpu_seconds", request.get("cpu_seconds"), policy.cpu_seconds),
    )


def _lowered(name: str, asked: float | None, allowed: float) -> float:
    if asked is None:
        return allowed
    if not asked <= allowed:  # which no comparison with a NaN is
        raise PolicyError(
            f"The request's {name} of {shown(asked)} is above the allowed {allowed:g}."
        )
    if name == "memory_bytes" and asked < SMALLEST_MEMORY:
        raise PolicyError(
            f"The request's memory_bytes of {asked:g} is below the {SMALLEST_MEMORY} that a"
            " sandbox needs."
        )
    return asked

"""What an experiment may use: the administrator's policy, and a request's limits below it."""

import re
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from cfiddle_slurm.sandbox.cpu_list import parse_cpu_list
from cfiddle_slurm.values import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POLICY_PATH = Path("/etc/cfiddle-slurm/sandbox.toml")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"": 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1 << 40,
          "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip
_SIZE = re.compile(r"(\d{1,15})\s*([A-Za-z]*)")
# A name the engine accepts, without the room for anything else (a digest may follow the tag).
_IMAGE = re.compile(
    r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
SMALLEST_MEMORY = 16 * MIB
"""The guest itself needs about this much; the engine's own minimum is 6 MiB."""
_BIGGEST = (1 << 63) - 1
"""The engine's interface takes no number above it."""
FITS_CORES = 0.0
"""The CPU time that all the cores together can give within the wall time, ``"auto"`` in a file."""


class PolicyError(ValueError):
    """The policy file is wrong, or a request asks for more than it allows: one sentence."""


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

    images: tuple[str, ...] = ("cfiddle-sandbox:latest",)
    memory: int = 2 * GIB
    processes: int = 256
    open_files: int = 1024
    wall_seconds: float = 600.0
    cpu_seconds: float = FITS_CORES
    work_bytes: int = 1 * GIB
    work_inodes: int = 100_000
    tmp_bytes: int = 64 * MIB
    tmp_inodes: int = 10_000
    output_bytes: int = 8 * MIB
    result_bytes: int = 256 * MIB
    bundle_bytes: int = 1 * GIB
    cores: str = "auto"
    runtime: str = ""
    busy_wait_seconds: float = 10.0
    progress_seconds: float = 30.0
    free_bytes: int = 256 * MIB
    connections: int = 16
    connections_per_user: int = 4


@dataclass(frozen=True)
class Limits:
    """What one run may use, after the request lowered the policy."""

    image: str
    memory: int
    wall_seconds: float
    cpu_seconds: float


def parse_size(value: object, where: str) -> int:
    """Bytes from ``4096`` or ``"2GiB"``.

    Raises:
        PolicyError: neither form.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in _UNITS:
        raise PolicyError(
            f"{where} must be a number of bytes or a text like '2GiB', not {shown(value)}."
        )
    return int(match[1]) * _UNITS[match[2]]


def load_policy(path: Path = POLICY_PATH) -> Policy:
    """The policy in a file, or the default policy when there is no file.

    Raises:
        PolicyError: the file cannot be read, is not TOML, or holds something wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Policy()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"The sandbox policy {path} cannot be read: {error}.") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also what is nested or a number without end
        raise PolicyError(f"The sandbox policy {path} is not valid TOML: {error}.") from error
    try:
        return parse_policy(table)
    except PolicyError as error:
        raise PolicyError(f"The sandbox policy {path} is wrong: {error}") from error


def parse_policy(table: dict[str, Any]) -> Policy:
    """A policy from a TOML table.

    Raises:
        PolicyError: an unknown key (the valid ones are listed) or a wrong value.
    """
    kinds = {field.name: field.type for field in fields(Policy)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in kinds:
            raise PolicyError(f"there is no key {key!r}; the keys are {', '.join(kinds)}.")
        values[key] = _parse_value(key, value)
    return replace(Policy(), **values)


def _parse_value(key: str, value: object) -> object:
    default = getattr(Policy(), key)
    if key == "images":
        return _parse_images(value)
    if key == "cores":
        return _parse_cores(value)
    if key == "runtime":
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", value):
            raise PolicyError(f"runtime must be the name of an OCI runtime, not {shown(value)}.")
        return value
    if isinstance(default, float):
        automatic = key == "cpu_seconds" and not isinstance(value, bool) and value in ("auto", 0)
        return FITS_CORES if automatic else _parse_seconds(key, value)
    number = parse_size(value, key)
    smallest = SMALLEST_MEMORY if key == "memory" else 1
    if number < smallest:
        raise PolicyError(f"{key} must be at least {smallest}, not {shown(number)}.")
    if number > _BIGGEST:
        raise PolicyError(f"{key} must be less than 8 EiB, not {shown(number)}.")
    return number


def for_cores(policy: Policy, cores: int) -> Policy:
    """The policy on a machine whose experiments have so many logical cores.

    A run of that many threads uses so many seconds of CPU time in each second: a limit that does
    not know them would end it in the middle.
    """
    if policy.cpu_seconds != FITS_CORES:
        return policy
    return replace(policy, cpu_seconds=policy.wall_seconds * cores)


def _parse_images(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyError("images must be a list of at least one image name.")
    for image in value:
        if not isinstance(image, str) or not _IMAGE.fullmatch(image):
            raise PolicyError(f"images holds {shown(image)}, which is not the name of an image.")
    return tuple(value)


def _parse_cores(value: object) -> str:
    if value == "auto":
        return "auto"
    try:
        if isinstance(value, str) and parse_cpu_list(value):
            return value
    except ValueError:
        pass
    raise PolicyError(f"cores must be 'auto' or a list like '0-3,6', not {shown(value)}.")


def _parse_seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e7:
        raise PolicyError(
            f"{key} must be a number of seconds between 0 and 10000000, not {shown(value)}."
        )
    return float(value)


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

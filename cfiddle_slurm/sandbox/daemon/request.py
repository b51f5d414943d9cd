"""What a caller may ask of sandboxd: the checked form of its HELLO and RELEASE.

A notebook that was opened before an update keeps the versions it has in memory until it is closed.
So the image of these versions stays beside the new one, under another tag of the same name, and
each run is executed by the versions that its notebook has.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cfiddle_slurm.bundle.layout import is_run_id
from cfiddle_slurm.sandbox.daemon.job_registry import is_job_id
from cfiddle_slurm.sandbox.policy import Limits, Policy, PolicyError, merge
from cfiddle_slurm.sandbox.protocol import OLDEST_PROTOCOL, PROTOCOL
from cfiddle_slurm.sandbox.versions import LABEL, text_of
from cfiddle_slurm.values import shown

_LONGEST_IMAGE_NAME = 512
_LIMITS = ("wall_seconds", "cpu_seconds", "memory_bytes")
_KEYS = frozenset(("protocol", "job_id", "run_id", "image", "versions", *_LIMITS))
_MOST_VERSIONS = 8
_VERSION = re.compile(r"[A-Za-z0-9_.+!-]{1,64}")
_TAG_OR_DIGEST = re.compile(r"(?::[^/:@]+)?(?:@.+)?$")


class BadRequest(ValueError):
    """The request is refused: one sentence."""


@dataclass(frozen=True)
class Request:
    """A run that was asked for, with the limits it will have.

    Attributes:
        versions: of the notebook, when they may choose the image: it named none.
    """

    job_id: str
    run_id: str
    limits: Limits
    versions: dict[str, str] | None = None


def parse_hello(hello: dict[str, Any], policy: Policy) -> Request:
    """The checked request in a HELLO that may be anybody's.

    Raises:
        BadRequest: another protocol, a wrong value, an image that is not allowed, or a limit above
            the policy's.
    """
    protocol = hello.get("protocol")
    if type(protocol) is not int or not OLDEST_PROTOCOL <= protocol <= PROTOCOL:
        raise BadRequest(
            f"This worker speaks protocol {PROTOCOL}, not {shown(protocol)}: install"
            " the same version of cfiddle_slurm on both sides."
        )
    for key in hello:
        if key not in _KEYS:
            raise BadRequest(f"The request holds {shown(key)}, which is not known here.")
    run_id = hello.get("run_id")
    if not is_run_id(run_id):
        raise BadRequest(f"A run id is 16 hexadecimal digits, not {shown(run_id)}.")
    image = hello.get("image")
    if image is not None and (not isinstance(image, str) or len(image) > _LONGEST_IMAGE_NAME):
        raise BadRequest(f"The image must be a name, not {shown(image)}.")
    for key in _LIMITS:
        _check_limit(key, hello.get(key))
    job_id, versions = parse_job_id(hello), _parse_versions(hello.get("versions"))
    try:
        return Request(job_id, run_id, merge(policy, hello), None if image else versions)
    except PolicyError as error:
        raise BadRequest(str(error)) from None


def parse_job_id(question: dict[str, Any]) -> str:
    """The job id of a HELLO or RELEASE.

    Raises:
        BadRequest: it holds none.
    """
    job_id = question.get("job_id")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        raise BadRequest(f"A job id is a positive decimal number, not {shown(job_id)}.")
    return job_id


def _parse_versions(value: object) -> dict[str, str] | None:
    """The notebook's versions; None from one so old that it does not say them."""
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MOST_VERSIONS:
        raise BadRequest(f"The versions must be a table of names and versions, not {shown(value)}.")
    for text in (*value, *value.values()):
        if not isinstance(text, str) or not _VERSION.fullmatch(text):
            raise BadRequest(f"The versions hold {shown(text)}, which is not a name or a version.")
    return value


def _check_limit(key: str, value: object) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # JSON has no infinity, but 1e999 becomes one; and a whole number may be beyond all floats.
    if not number or not 0 < value < math.inf:  # type: ignore[operator]
        raise BadRequest(f"{key} must be a positive number, not {shown(value)}.")


class Images(Protocol):
    """What is asked of the engine; see :class:`~cfiddle_slurm.sandbox.daemon.engine.Engine`."""

    def label(self, image: str, name: str) -> str | None: ...
    def labelled(self, repository: str, name: str, value: str) -> Sequence[str]: ...


def repository(image: str) -> str:
    """An image's name without its tag and digest."""
    return _TAG_OR_DIGEST.sub("", image)


def suited(request: Request, images: Images) -> Request:
    """The request with the image of its notebook's versions.

    It stays as it is when it named an image, when the policy's first image fits or does not say for
    whom it is, and when there is no other that fits: then the guest says which versions differ.

    Raises:
        EngineError: the engine does not answer, or lacks the policy's first image.
    """
    if request.versions is None:
        return request
    default, wanted = request.limits.image, text_of(request.versions)
    if images.label(default, LABEL) in (None, wanted):
        return request
    for tag in images.labelled(repository(default), LABEL, wanted):
        return replace(request, limits=replace(request.limits, image=tag))
    return request

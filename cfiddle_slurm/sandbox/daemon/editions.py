"""Which image a run gets whose request names none: the one that was made for its notebook.

A notebook that was opened before an update keeps the versions it has in memory until it is closed.
So the image of these versions stays beside the new one, under another tag of the same name, and
each run is executed by the versions that its notebook has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from cfiddle_slurm.sandbox.daemon.request import Request
from cfiddle_slurm.sandbox.versions import LABEL, text_of

_TAG_OR_DIGEST = re.compile(r"(?::[^/:@]+)?(?:@.+)?$")


class Images(Protocol):
    """What is asked of the engine."""

    def label(self, image: str, name: str) -> str | None:
        """An image's label, or None."""

    def labelled(self, repository: str, name: str, value: str) -> Sequence[str]:
        """The tags of a repository whose images have a label, the newest first."""


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

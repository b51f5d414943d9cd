"""Which image a run gets."""

from collections.abc import Sequence

import pytest

from cfiddle_slurm.sandbox.daemon.editions import repository, suited
from cfiddle_slurm.sandbox.daemon.request import Request
from cfiddle_slurm.sandbox.policy import Limits
from cfiddle_slurm.sandbox.versions import LABEL, text_of

OLD, NEW = {"python": "3.13", "cfiddle": "1"}, {"python": "3.13", "cfiddle": "2"}


class Images:
    """Images of an engine: their labels, by tag."""

    def __init__(self, labels: dict[str, str | None]) -> None:
        self._labels = labels

    def label(self, image: str, name: str) -> str | None:
        assert name == LABEL
        return self._labels[image]

    def labelled(self, repository: str, name: str, value: str) -> Sequence[str]:
        prefix = f"{repository}:"
        return [
            tag for tag, label in self._labels.items() if tag.startswith(prefix) and label == value
        ]


BOTH = {"s:new": text_of(NEW), "s:old": text_of(OLD), "other:old": text_of(OLD)}


@pytest.mark.parametrize(
    ("versions", "labels", "image"),
    [
        (NEW, BOTH, "s:new"),
        (OLD, BOTH, "s:old"),
        ({"cfiddle": "3"}, BOTH, "s:new"),  # the guest says which versions differ
        (None, BOTH, "s:new"),  # an image was named, or the notebook does not say
        (OLD, {**BOTH, "s:new": None}, "s:new"),  # the administrator's own image is for all
        (OLD, {"s:new": text_of(NEW), "other:old": text_of(OLD)}, "s:new"),
    ],
)
def test_a_run_gets_the_image_of_its_notebooks_versions(
    versions: dict[str, str] | None, labels: dict[str, str | None], image: str
) -> None:
    request = Request("1", "0" * 16, Limits("s:new", 1, 2.0, 3.0), versions)
    found = suited(request, Images(labels))
    assert found.limits == Limits(image, 1, 2.0, 3.0)
    assert (found.job_id, found.versions) == ("1", versions)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("cfiddle-sandbox:latest", "cfiddle-sandbox"),
        ("cfiddle-sandbox", "cfiddle-sandbox"),
        ("registry.example:5000/a/b:1", "registry.example:5000/a/b"),
        ("registry.example:5000/a/b", "registry.example:5000/a/b"),
        ("a/b@sha256:" + "0" * 64, "a/b"),
        ("a/b:1@sha256:" + "0" * 64, "a/b"),
    ],
)
def test_an_images_name_without_its_tag(image: str, name: str) -> None:
    assert repository(image) == name

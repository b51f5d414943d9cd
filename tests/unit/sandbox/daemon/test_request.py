"""What a caller may ask, and which image a run gets."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.daemon.request import (
    BadRequest,
    Request,
    parse_hello,
    parse_job_id,
    repository,
    suited,
)
from cfiddle_slurm.sandbox.policy import GIB, Limits, Policy
from cfiddle_slurm.sandbox.protocol import OLDEST_PROTOCOL, PROTOCOL
from cfiddle_slurm.sandbox.versions import LABEL, text_of

POLICY = Policy(images=("a:1",))
GOOD: dict[str, Any] = {
    "protocol": 1,
    "job_id": "12",
    "run_id": "0123456789abcdef",
    "image": None,
    "wall_seconds": None,
    "cpu_seconds": 2,
    "memory_bytes": GIB,
}
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)


def test_a_good_request() -> None:
    request = parse_hello(GOOD, POLICY)
    assert (request.job_id, request.run_id) == ("12", "0123456789abcdef")
    assert (request.limits.image, request.limits.cpu_seconds) == ("a:1", 2)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("protocol", 2, "protocol 1, not 2"),
        ("protocol", None, "protocol"),
        ("job_id", 12, "job id"),
        ("job_id", "12;x", "job id"),
        ("job_id", None, "job id"),
        ("run_id", "0" * 15, "run id"),
        ("run_id", "0123456789ABCDEF", "run id"),
        ("run_id", "0123456789abcdef\n", "run id"),
        ("image", "evil:1", "not allowed"),
        ("image", ["a:1"], "must be a name"),
        ("image", "x" * 600, "must be a name"),
        ("wall_seconds", 0, "positive"),
        ("wall_seconds", -1, "positive"),
        ("wall_seconds", True, "positive"),
        ("wall_seconds", "5", "positive"),
        ("cpu_seconds", float("inf"), "positive"),
        ("cpu_seconds", 1e9, "above"),
        ("memory_bytes", 1 << 60, "above"),
        ("memory_bytes", {}, "positive"),
        ("privileged", True, "'privileged'"),
        ("protocol", True, "protocol"),
        ("protocol", 1.0, "protocol"),
        ("versions", "cfiddle=1", "a table of names and versions"),
        ("versions", {str(n): "1" for n in range(9)}, "a table of names and versions"),
        ("versions", {"cfiddle": 1}, "is not a name or a version"),
        ("versions", {"cfiddle": "1\n"}, "is not a name or a version"),
        ("versions", {"cfiddle": "x" * 65}, "is not a name or a version"),
        ("versions", {"a b": "1"}, "is not a name or a version"),
    ],
)
def test_bad_requests(key: str, value: object, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_hello({**GOOD, key: value}, POLICY)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.dictionaries(st.sampled_from(sorted(GOOD)) | st.text(max_size=5), anything, max_size=5))
def test_any_request_is_within_the_policy_or_refused(changes: dict[str, Any]) -> None:
    try:
        limits = parse_hello({**GOOD, **changes}, POLICY).limits
    except BadRequest as error:
        assert str(error)
        return
    assert limits.image == "a:1"
    assert 0 < limits.memory <= POLICY.memory
    assert 0 < limits.wall_seconds <= POLICY.wall_seconds


def test_versions_choose_an_image_only_where_none_is_named() -> None:
    versions = {"cfiddle": "0.6.1", "cfiddle_slurm": "0.1.0+local", "python": "3.13"}
    assert parse_hello({**GOOD, "versions": versions}, POLICY).versions == versions
    assert parse_hello({**GOOD, "versions": versions, "image": "a:1"}, POLICY).versions is None


def test_a_notebook_of_the_version_before_is_understood() -> None:
    # Word for word what 0.1.0 wrote before it named versions.
    assert parse_hello(GOOD, POLICY).versions is None
    assert OLDEST_PROTOCOL <= GOOD["protocol"] <= PROTOCOL <= OLDEST_PROTOCOL + 1


def test_the_job_of_a_release() -> None:
    assert parse_job_id({"job_id": "5"}) == "5"
    with pytest.raises(BadRequest):
        parse_job_id({})


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

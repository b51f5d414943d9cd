"""Settings' values as people write them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import values


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (60, 60.0),
        (2.5, 2.5),
        ("60", 60.0),
        (" 1.5 ", 1.5),
        ("10:30", 630.0),
        ("1:00:00", 3600.0),
        ("1-12", 129600.0),
        ("1-0:0:5", 86405.0),
        ("0-0:2", 120.0),
    ],
)
def test_times(value: object, seconds: float) -> None:
    assert values.seconds(value) == seconds


@pytest.mark.parametrize(
    "value", [0, -1, True, None, "", "soon", "-1", "1:2:3:4", "1-", float("nan"), float("inf"), 1e9]
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.seconds(value)


@given(st.text(alphabet="0123456789:-. a", max_size=12))
def test_any_text_is_a_time_or_a_clear_no(text: str) -> None:
    try:
        found = values.seconds(text)
    except ValueError as error:
        assert str(error).startswith("must be")
    else:
        assert 0 < found <= 366 * 86400


@pytest.mark.parametrize(
    ("value", "size"),
    [(5, 5), ("5", 5), ("2GiB", 2 << 30), ("2G", 2 << 30), ("1.5 kB", 1500), ("3 MB", 3 * 10**6)],
)
def test_sizes(value: object, size: int) -> None:
    assert values.size(value) == size


@pytest.mark.parametrize("value", [0, -1, True, None, "", "2 GiBi", "GiB", "0", "-1G", 1.5, "0.9"])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.size(value)


def test_flags() -> None:
    assert [values.flag(v) for v in (True, "yes", "ON", "1", "true")] == [True] * 5
    assert [values.flag(v) for v in (False, "no", "off", "0", "False")] == [False] * 5
    for wrong in ("maybe", "", 2, None):
        with pytest.raises(ValueError, match="true or false"):
            values.flag(wrong)


def test_counts_and_intervals() -> None:
    assert [values.count(v) for v in (0, 7, "12")] == [0, 7, 12]
    assert [values.interval(v) for v in (0.01, "2", 3600)] == [0.01, 2.0, 3600.0]
    for wrong in (-1, "x", True, None, 1.5, 10**9, 10**30, "1000000000"):
        with pytest.raises(ValueError, match="whole number"):
            values.count(wrong)
    for wrong in (0, -1, "x", True, None, 3601, float("nan")):
        with pytest.raises(ValueError, match="number of seconds"):
            values.interval(wrong)


@pytest.mark.parametrize("name", ["debug", "lab-1", "a,b", "registry:5000/image@sha256:1f"])
def test_names(name: str) -> None:
    assert values.name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "-x", "$(id)", "a\nb", "a;b", None, 3])
def test_what_is_no_name(name: object) -> None:
    with pytest.raises(ValueError, match="must be a name"):
        values.name(name)


def test_a_constraint_is_one_line() -> None:
    assert values.expression("[rack1|rack2]&fast") == "[rack1|rack2]&fast"
    for wrong in ("", "a\nb", 5):
        with pytest.raises(ValueError, match="one line"):
            values.expression(wrong)


def test_lists_of_texts() -> None:
    assert values.globs("my data/*.txt") == ("my data/*.txt",)
    assert values.globs(["a", "b"]) == ("a", "b")
    assert values.options("--nice --mem=1G") == ("--nice", "--mem=1G")
    for parse in (values.globs, values.options):
        for wrong in (3, ["--a", 5], None):
            with pytest.raises(ValueError, match="list of texts"):
                parse(wrong)


@pytest.mark.parametrize(
    "word",
    ["--output=x", "--outp=x", "--wrap=id", "-o", "-Jname", "--array=1-9", "--wait", "-W", "--job"],
)
def test_options_that_the_run_path_needs_for_itself(word: str) -> None:
    with pytest.raises(ValueError, match="has to choose itself"):
        values.options([word])


@pytest.mark.parametrize("word", ["reservation=x", "-", "--", "", "--comment=a\nb"])
def test_what_is_no_option(word: str) -> None:
    with pytest.raises(ValueError, match="must be one option"):
        values.options([word])


def test_folders() -> None:
    assert values.folder("~/jobs") == Path.home() / "jobs"
    assert values.folder(Path("/a b")) == Path("/a b")
    for wrong, words in (("relative", "absolute"), ("", "a path"), ("\0", "a path"), (5, "a path")):
        with pytest.raises(ValueError, match=words):
            values.folder(wrong)


@pytest.mark.parametrize("parse", [values.seconds, values.size, values.count, values.interval])
def test_numbers_that_are_too_long_for_an_integer(parse: Callable[[object], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse("9" * 4000)


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1 bytes"), (1025, "1025 bytes"), (16 << 20, "16 MiB"), (3 << 29, "1.5 GiB"),
     (5000 << 30, "5000 GiB"), ((1 << 63) - 1, f"{(1 << 63) - 1} bytes")],
)  # fmt: skip
def test_a_size_is_shown_as_people_write_it(size: int, text: str) -> None:
    assert values.size_text(size) == text
    assert text.endswith(" bytes") or values.size(text) == size

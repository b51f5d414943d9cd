"""The administrator's policy, and requests below it."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import tables
from cfiddle_slurm.sandbox.policy import (
    FITS_CORES,
    GIB,
    MIB,
    Limits,
    Policy,
    PolicyError,
    for_cores,
    load_policy,
    merge,
    parse_policy,
)
from cfiddle_slurm.settings import Settings

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([field.name for field in fields(Policy)])


def test_no_file_is_the_default_policy(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "none.toml") == Policy()


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(
        'images = ["cfiddle-sandbox:latest", "registry.example:5000/a/b@sha256:' + "0" * 64 + '"]\n'
        'memory = "512MiB"\nprocesses = 64\nwall_seconds = 5\ncores = "2-3,6"\nruntime = "crun"\n'
    )
    policy = load_policy(path)
    assert (policy.memory, policy.processes, policy.wall_seconds) == (512 * MIB, 64, 5.0)
    assert (policy.cores, policy.runtime, len(policy.images)) == ("2-3,6", "crun", 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memry = 1", "'memry'"),
        ("memry = 1", "Did you mean memory?"),
        ("memory = ", "not valid TOML"),
        ('memory = "2 Gigs"', "memory must be"),
        ("memory = 1024", "at least"),
        ("processes = 0", "processes must be a whole number between 1"),
        ("processes = true", "processes"),
        ("wall_seconds = -1", "wall_seconds"),
        ("wall_seconds = inf", "wall_seconds"),
        ("wall_seconds = nan", "wall_seconds"),
        ("wall_seconds = 0", "wall_seconds"),
        ('wall_seconds = "auto"', "wall_seconds"),
        ("cpu_seconds = false", "cpu_seconds"),
        ("cpu_seconds = -1", "cpu_seconds"),
        ("images = []", "at least one"),
        ('images = "x"', "images must be"),
        ('images = ["--privileged"]', "not the name of an image"),
        ('images = ["a b"]', "not the name of an image"),
        ('cores = "3-1"', "cores must be"),
        ("cores = 3", "cores must be"),
        ('runtime = "a b"', "runtime"),
    ],
)
def test_a_wrong_file_gets_a_sentence_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(path)


@given(st.dictionaries(keys | st.text(), anything, max_size=4))
def test_any_table_is_a_policy_or_a_sentence(table: dict[str, Any]) -> None:
    try:
        policy = parse_policy(table, "a table")
    except tables.TableError as error:
        assert str(error)
        return
    assert policy.memory > 0 and policy.images and policy.wall_seconds > 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("4294967296", 4 * GIB), ('"2G"', 2 * GIB), ('"1.5GiB"', 1536 * MIB), ('"2gib"', 2 * GIB),
     ('"2 GB"', 2 * 10**9), ('" 30MiB "', 30 * MIB)],
)  # fmt: skip
def test_a_size_is_one_here_that_is_one_in_the_settings(
    tmp_path: Path, text: str, size: int
) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(f"memory = {text}\nwork_bytes = {text}")
    policy = load_policy(path)
    assert policy.memory == policy.work_bytes == size
    assert Settings(memory=tables.parse(f"memory = {text}", "it")["memory"]).memory == size


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ('"1:30"', 90), ('"1-12"', 129600)])
def test_so_is_a_time(tmp_path: Path, text: str, seconds: float) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(f"wall_seconds = {text}\ncpu_seconds = {text}")
    policy = load_policy(path)
    assert policy.wall_seconds == policy.cpu_seconds == seconds
    assert Settings(time_limit=tables.parse(f"it = {text}", "it")["it"]).time_limit == seconds


POLICY = Policy(images=("a:1", "b:2"), memory=GIB, wall_seconds=60, cpu_seconds=120)


def test_a_request_without_wishes_gets_the_policy() -> None:
    assert merge(POLICY, {}) == Limits("a:1", GIB, 60, 120)


@pytest.mark.parametrize("value", ["auto", 0, 0.0])
def test_the_cpu_time_fits_the_cores_unless_it_is_given(value: object) -> None:
    policy = parse_policy({"cpu_seconds": value, "wall_seconds": 600}, "a table")
    assert policy.cpu_seconds == Policy().cpu_seconds == FITS_CORES
    assert for_cores(policy, 16).cpu_seconds == 16 * 600
    given = parse_policy({"cpu_seconds": 1200, "wall_seconds": 600}, "a table")
    assert for_cores(given, 16).cpu_seconds == 1200


def test_on_a_machine_of_many_cores_a_request_may_ask_for_their_time() -> None:
    policy = for_cores(Policy(wall_seconds=600), 16)
    assert merge(policy, {}).cpu_seconds == 9600
    assert merge(policy, {"cpu_seconds": 9600}).cpu_seconds == 9600
    with pytest.raises(PolicyError):
        merge(policy, {"cpu_seconds": 9601})


def test_a_request_lowers_the_policy() -> None:
    request = {"image": "b:2", "memory_bytes": 64 * MIB, "wall_seconds": 1.5, "cpu_seconds": 2}
    assert merge(POLICY, request) == Limits("b:2", 64 * MIB, 1.5, 2)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"image": "c:3"}, "allowed are a:1, b:2"),
        ({"memory_bytes": GIB + 1}, "above the allowed"),
        ({"wall_seconds": 61}, "wall_seconds of 61 is above"),
        ({"cpu_seconds": float("inf")}, "above the allowed"),
        ({"memory_bytes": 1}, "below"),
    ],
)
def test_a_request_never_raises_the_policy(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        merge(POLICY, request_)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "memory_bytes": st.integers(1, 4 * GIB),
            "wall_seconds": st.floats(0.001, 1e6),
            "cpu_seconds": st.floats(0.001, 1e6),
        },
    )
)
def test_no_limit_is_ever_above_the_policy(request_: dict[str, Any]) -> None:
    try:
        limits = merge(POLICY, request_)
    except PolicyError:
        return
    assert limits.memory <= POLICY.memory
    assert limits.wall_seconds <= POLICY.wall_seconds
    assert limits.cpu_seconds <= POLICY.cpu_seconds

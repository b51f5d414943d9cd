"""What of the services' configuration follows from ``cluster.toml``."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import tables
from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.sandbox.policy import Policy, parse_policy
from cfiddle_slurm.settings import resolve

UNLIKE = Policy(
    images=("a:1", "registry.example/b"), memory=1 << 30, processes=9, wall_seconds=61.5,
    cores="2-3,6", runtime="runsc",
)  # fmt: skip


def with_wall(seconds: float) -> Config:
    return Config(policy=Policy(wall_seconds=seconds))


def setting(text: str, name: str) -> str:
    (found,) = re.findall(rf"(?m)^(?:.* )?{name}=(\S+)", text)
    return str(found)


def test_slurm_conf_has_the_clusters_name_and_no_blank_left() -> None:
    text = rendering.slurm_conf(Config(name="lab-2"))
    assert setting(text, "ClusterName") == "lab-2"
    assert "$" not in "".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(("wall", "minutes"), [(600, 15), (60, 6), (61, 7), (0.5, 6)])
def test_slurms_limit_is_above_the_sandboxs(wall: float, minutes: int) -> None:
    text = rendering.slurm_conf(with_wall(wall))
    assert setting(text, "DefaultTime") == str(minutes)
    assert setting(text, "MaxTime") == "UNLIMITED"
    assert minutes * 60 > wall


@pytest.mark.parametrize(("wall", "seconds"), [(600, 660), (0.5, 61)])
def test_a_worker_may_finish_its_run_before_it_is_replaced(wall: float, seconds: int) -> None:
    assert rendering.retire_seconds(with_wall(wall)) == seconds


def test_the_sandbox_image_is_pinned_unless_the_administrator_chose_one() -> None:
    found = rendering.pinned(Config(), "cfiddle-sandbox:abc").policy.images
    assert found == ("cfiddle-sandbox:abc", "cfiddle-sandbox:latest")  # which may still be named
    assert rendering.pinned(Config(policy=UNLIKE), "cfiddle-sandbox:abc").policy == UNLIKE


@pytest.mark.parametrize(
    ("text", "values", "same"),
    [
        ("x: ${A}\n", {"A": "1"}, True),
        ("# why\nx: ${A}\n", {"A": "1"}, True),
        ("x: ${A}\n  # why\n", {"A": "1", "B": "2"}, True),
        ("x: ${A}\n", {"A": "1", rendering.SANDBOX_IMAGE: "other"}, True),
        ("x: ${A}\n", {"A": "2"}, False),
        ("x: ${A}\ny: 1\n", {"A": "1"}, False),
    ],
)
def test_an_edition_changes_with_what_would_replace_a_service(
    text: str, values: dict[str, str], same: bool
) -> None:
    before = rendering.edition(["x: ${A}\n"], {"A": "1"})
    assert (rendering.edition([text], values) == before) is same


@pytest.mark.parametrize("policy", [Policy(), UNLIKE])
def test_a_policy_comes_back_from_its_file(policy: Policy) -> None:
    table = tables.parse(rendering.policy_toml(policy), "it")
    assert set(table) == {field.name for field in fields(Policy)}
    assert parse_policy(table, "it") == policy


@given(st.floats(1e-6, 1e7), st.integers(1 << 24, 1 << 50))
def test_any_number_of_a_policy_comes_back(seconds: float, memory: int) -> None:
    policy = Policy(wall_seconds=seconds, memory=memory)
    assert parse_policy(tables.parse(rendering.policy_toml(policy), "it"), "it") == policy


def names(config: Config) -> dict[str, str]:
    return {file.variable: file.name for file in rendering.configuration(config)}


def test_a_files_name_changes_with_its_content_only() -> None:
    plain, lab = names(Config()), names(Config(name="lab"))
    assert set(plain) == {"CFIDDLE_SLURM_CONF", "CFIDDLE_SANDBOX_POLICY"}
    assert plain == names(Config(queued_jobs=1))
    assert plain["CFIDDLE_SLURM_CONF"] != lab["CFIDDLE_SLURM_CONF"]
    assert plain["CFIDDLE_SANDBOX_POLICY"] == lab["CFIDDLE_SANDBOX_POLICY"]
    less = names(Config(policy=replace(Policy(), processes=9)))
    assert plain["CFIDDLE_SLURM_CONF"] == less["CFIDDLE_SLURM_CONF"]
    assert plain["CFIDDLE_SANDBOX_POLICY"] != less["CFIDDLE_SANDBOX_POLICY"]


def test_a_files_name_is_one_that_the_swarm_takes() -> None:
    for name in names(Config()).values():
        assert name.startswith(rendering.CONFIG_PREFIX)
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)  # docker config create


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (Config(home="volume"), {}),
        (Config(home="bind"), {"type": "none", "o": "bind", "device": "/h"}),
        # What the head itself exports it uses directly.
        (Config(home="nfs"), {"type": "none", "o": "bind", "device": "/h"}),
        (
            Config(home="nfs", nfs_server="nas"),
            {"type": "nfs", "o": "addr=nas,rw,hard,nfsvers=4.2", "device": ":/h"},
        ),
    ],
)
def test_the_heads_volume_with_the_homes(config: Config, options: dict[str, str]) -> None:
    assert rendering.home_options(replace(config, home_path="/h")) == options


@pytest.mark.parametrize("policy", [Policy(), UNLIKE])
def test_notebooks_are_told_what_the_sandbox_allows_and_has(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text(rendering.limits_toml(policy))
    found = resolve({"scheduler": "slurm"}, {}, tmp_path / "none", tmp_path / "config.toml")
    assert (found.max_time_limit, found.max_memory, found.max_inputs, found.allowed_images) == (
        policy.wall_seconds, policy.memory, policy.bundle_bytes, policy.images,
    )  # fmt: skip
    assert found.sandbox_libraries == ()
    libraries = ("libc.so.6", "libstdc++.so.6")
    (tmp_path / "limits.toml").write_text(rendering.limits_toml(policy, libraries))
    found = resolve({"scheduler": "slurm"}, {}, tmp_path / "none", tmp_path / "config.toml")
    assert found.sandbox_libraries == libraries

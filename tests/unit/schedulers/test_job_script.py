"""What is submitted. The expected texts are written out in full."""

import shlex
import subprocess
from pathlib import Path

import pytest

from cfiddle_slurm.schedulers.job_script import (
    excluding,
    sbatch_arguments,
    script_text,
    srun_arguments,
    submitted_text,
)
from cfiddle_slurm.settings import Settings

RUN_ID = "0123456789abcdef"
FOLDER = Path("/home/student/.cfiddle-slurm/jobs") / RUN_ID
GOLDEN = (Path(__file__).parent / "golden_submission.txt").read_text()
ODD = ["with blank", "quo'te", 'dou"ble', "$(touch x)", "a;b", "new\nline", "-dash", "ünï", "`id`"]


def test_the_submission_as_a_whole() -> None:
    settings = Settings(
        partition="lab", account="cse142", qos="fast", constraint="rack1|rack2",
        time_limit=90, sbatch_options=("--reservation=exam",),
    )  # fmt: skip
    assert submitted_text(RUN_ID, FOLDER, settings) == GOLDEN


def test_defaults_ask_for_a_node_alone_and_nothing_else() -> None:
    arguments = sbatch_arguments(RUN_ID, FOLDER, Settings())
    assert "--exclusive" in arguments
    assert not any(a.startswith(("--time", "--partition", "--account")) for a in arguments)
    assert "--exclusive" not in sbatch_arguments(RUN_ID, FOLDER, Settings(exclusive=False))


def test_slurms_limit_is_above_the_sandboxs() -> None:
    for seconds, minutes in ((1, 2), (60, 2), (61, 3), (3600, 61)):
        assert f"--time={minutes}" in sbatch_arguments(RUN_ID, FOLDER, Settings(time_limit=seconds))


def test_no_environment_travels() -> None:
    assert "--export=NIL" in sbatch_arguments(RUN_ID, FOLDER, Settings())
    assert "--export=NONE" in srun_arguments(RUN_ID, FOLDER, Settings())
    assert submitted_text(RUN_ID, FOLDER, Settings(submit="srun")).startswith("# srun ")


@pytest.mark.parametrize("name", ODD)
def test_any_path_is_one_word_of_the_script(tmp_path: Path, name: str) -> None:
    """The script is run by a real shell; what it would start writes down its arguments."""
    folder = tmp_path / name
    folder.mkdir()
    client = tmp_path / "cfiddle-sandbox"
    client.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    client.chmod(0o755)
    text = script_text(folder).replace("PATH=", f"PATH={shlex.quote(str(tmp_path))}:", 1)
    done = subprocess.run(["sh"], input=text.encode(), capture_output=True, check=True, cwd="/")
    assert done.stdout.decode().split("\0") == ["run", str(folder), ""]
    assert not Path("/x").exists()


@pytest.mark.parametrize("name", ODD)
def test_any_path_is_one_argument(name: str) -> None:
    folder = FOLDER / name
    arguments = sbatch_arguments(RUN_ID, folder, Settings())
    assert f"--chdir={folder}" in arguments
    command = submitted_text(RUN_ID, folder, Settings()).removesuffix(script_text(folder))
    assert shlex.split(command.removeprefix("# ")) == arguments


@pytest.mark.parametrize(
    ("options", "nodes", "excluded"),
    [
        ((), ["w1"], ("--exclude=w1",)),
        ((), [], ()),
        (("--exclusive", "-x", "--reservation=a"), ["w1", "w2"],
         ("--exclusive", "-x", "--reservation=a", "--exclude=w1,w2")),
        (("--exclude=w3", "--nice"), ["w1"], ("--nice", "--exclude=w3,w1")),
        (("-xw3",), ["w1"], ("--exclude=w3,w1",)),
        # Who chose nodes by name gets these.
        (("--nodelist=w1",), ["w1"], ("--nodelist=w1",)),
        (("-ww1",), ["w1"], ("-ww1",)),
    ],
)  # fmt: skip
def test_nodes_that_failed_are_excluded(
    options: tuple[str, ...], nodes: list[str], excluded: tuple[str, ...]
) -> None:
    assert excluding(options, nodes) == excluded

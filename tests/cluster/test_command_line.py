"""The command line in front of a real cluster: what students wrote, what a wrapper prints."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.services import stack

from .conftest import HEAD, SECONDS

COMMAND = [sys.executable, "-W", "ignore", "-m", "cfiddle_slurm.cluster"]
HOSTILE = "x\x1b]0;PWNED\x07\x1b[2J"
WRITTEN_OUT = r"x\x1b]0;PWNED\x07\x1b[2J"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def command(*arguments: str, cwd: Path) -> process.Completed:
    """``cfiddle-cluster`` where no cluster.toml is: for the cluster of this machine."""
    return process.run([*COMMAND, *arguments], timeout=SECONDS, cwd=cwd, env=ENVIRONMENT)


def as_student(*words: str) -> process.Completed:
    return process.run(user_node.exec_arguments(HEAD, "jovyan", words), timeout=SECONDS)


def ask_for_a_hostile_partition() -> None:
    """As root, whom nothing is refused: Slurm logs it as it is."""
    user = stack.container_on(HEAD, "user")
    asked = ["docker", "exec", user, "srun", f"--partition={HOSTILE}", "true"]
    assert "invalid partition specified" in process.run(asked, timeout=SECONDS).stderr


@pytest.mark.parametrize("option", ["partition", "qos", "prefer", "licenses", "comment"])
@pytest.mark.parametrize("text", [HOSTILE, "x\nslurmctld: all is well"])
def test_a_student_forges_no_line_of_the_log(option: str, text: str) -> None:
    name = "--job-name=cfiddle-0123456789abcdef"  # all others are refused before
    refused = as_student("srun", name, f"--{option}={text}", "true")
    assert refused.status != 0
    logs = ["docker", "logs", "--tail=20", stack.container_on(HEAD, "controller")]
    said = process.run(logs, timeout=SECONDS)
    assert "all is well" not in said.stdout + said.stderr
    assert "PWNED" not in said.stdout + said.stderr


def test_what_slurm_writes_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    ask_for_a_hostile_partition()
    done = command("logs", "controller", "--tail=50", cwd=tmp_path)
    assert done.status == 0
    assert WRITTEN_OUT in done.stdout
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout
    # It is written raw indeed: without the filter it would reach the terminal.
    raw = ["docker", "service", "logs", "--raw", "--tail=50", "cfiddle_controller"]
    seen = process.run(raw, timeout=SECONDS)
    assert HOSTILE in seen.stdout + seen.stderr


def test_a_log_is_followed_as_it_grows(tmp_path: Path) -> None:
    follow = [*COMMAND, "logs", "--follow", "--tail=1", "controller"]
    with process.started(follow, stderr=subprocess.STDOUT, cwd=tmp_path, env=ENVIRONMENT) as child:
        stream = child.stdout
        assert stream is not None
        assert stream.readline()  # it listens
        ask_for_a_hostile_partition()
        line = next(line for line in stream if b"PWNED" in line)
        assert b"\x1b" not in line
        assert child.poll() is None


def test_times_are_numbers_for_programs(tmp_path: Path) -> None:
    done = command("status", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert done.status == 0, facts
    assert all(isinstance(machine["clock_off"], float) for machine in facts["machines"])
    assert all(isinstance(job["seconds"], int) for job in facts["queue"])


WRAPPERS = """
import json, os, pathlib, shutil
folder = pathlib.Path.home() / "wrappers"
folder.mkdir(exist_ok=True)
for name in ("sbatch", "srun", "squeue", "sacct", "scancel"):
    wrapper = folder / name
    wrapper.write_text(f'''#!/bin/sh
echo "***** Welcome in 2026 | munge | authentication | by | key *****"
echo "2 messages; Connection reset by nobody" >&2
{shutil.which(name)} "$@"
status=$?
echo "Thank you."
echo "WARNING: module slurm/24 is deprecated" >&2
exit $status
''')
    wrapper.chmod(0o755)
os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
import cfiddle, cfiddle_slurm
from cfiddle import arg_map, build, code, run
exe = build(code('extern "C" int f(int n) { return n; }'))
found = []
for how in ("sbatch", "srun"):
    cfiddle_slurm.configure(submit=how)
    found.append(run(exe, "f", arg_map(n=7))[0].return_value)
    cfiddle_slurm.configure(submit=how, sbatch_options=["--partition=nosuch"])
    try:
        run(exe, "f", arg_map(n=7))
    except cfiddle.CFiddleException as error:
        found.append([type(error).__name__, str(error)])
shutil.rmtree(folder)
print(json.dumps(found))
"""


def test_a_sites_wrappers_may_print_what_they_like(python_as: Callable[[str, str], Any]) -> None:
    sbatch, refused_sbatch, srun, refused_srun = python_as("jovyan", WRAPPERS)
    assert (sbatch, srun) == (7, 7)
    for name, text in (refused_sbatch, refused_srun):
        assert name == "SubmissionError", text
        assert "refused the job: invalid partition specified: nosuch" in text

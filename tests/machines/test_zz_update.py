"""An update to the next version while people work. The last file, since it rebuilds images."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm import __version__, process
from tests.machines.harness import Machines

pytestmark = pytest.mark.timeout(900)
TREE = Path(__file__).parents[2]
NEXT = f"{__version__}.post1"
SECONDS = 600.0
USER = "test_user1"
# In a folder of its own; it goes on until somebody makes the file `stop` there.
PROGRAM = """
import json, os, sys, time
import cfiddle, cfiddle_slurm
folder, most = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
cfiddle_slurm.configure(show_output=False)
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n + n; }'))
for n in range(most):
    if os.path.exists("stop"):
        break
    try:
        value = cfiddle.run(exe, "f", cfiddle.arg_map(n=n))[0].return_value
        report = cfiddle_slurm.last_report()
        found = {"right": value == n + n, "version": report.versions["cfiddle_slurm"]}
    except cfiddle.CFiddleException as error:
        found = {"right": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps({**found, "began_with": cfiddle_slurm.__version__}), flush=True)
"""
OPEN_A_NOTEBOOK = """
import json, urllib.request
token = open("/run/secrets/cfiddle_jupyter_token").read().strip()
request = urllib.request.Request("http://127.0.0.1:8888/api/kernels", b"{}", method="POST",
                                 headers={"Authorization": "token " + token})
print(json.load(urllib.request.urlopen(request, timeout=60))["id"])
"""


@dataclass
class NextVersion:
    """The next version of this package: a copy of it with another number."""

    cluster: Machines
    folder: Path
    is_gone: bool = False

    def update(self, *words: str) -> str:
        """What its `update` printed."""
        command = [sys.executable, "-m", "cfiddle_slurm.cluster", "--config",
                   str(self.cluster.file), "update", *words]  # fmt: skip
        # The folder of `-m` comes before everything else.
        done = process.run(command, timeout=SECONDS, env=self.cluster.environment, cwd=self.folder)
        assert done.status == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split())


@pytest.fixture
def next_version(cluster: Machines, tmp_path: Path) -> Iterator[NextVersion]:
    """It is gone again after the test, whatever became of it."""
    for name in ("cfiddle_slurm", "cluster", "sandbox", "examples"):
        shutil.copytree(TREE / name, tmp_path / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TREE / name, tmp_path / name)
    version = tmp_path / "cfiddle_slurm" / "_version.py"
    text = version.read_text()
    version.write_text(re.sub(re.escape(__version__), NEXT, text))
    assert text != version.read_text()
    made = NextVersion(cluster, tmp_path)
    yield made
    if not made.is_gone:
        cluster.check("update", "--now", timeout=SECONDS)


def runs(cluster: Machines, count: int = 1) -> list[dict[str, Any]]:
    """What runs of a new process on the user node gave."""
    said = cluster.check("run", USER, "python3", "-W", "ignore", "-c", PROGRAM, "new", str(count))
    return [json.loads(line) for line in said.splitlines()]


def by(version: str, count: int = 1) -> list[dict[str, Any]]:
    """Runs that went right, with notebook and sandbox of a version."""
    return [{"right": True, "version": version, "began_with": version}] * count


def is_older(cluster: Machines) -> bool:
    facts = json.loads(cluster.cluster("status", "--json").stdout)
    return bool(facts["user_node_is_older"])


def tags(cluster: Machines, name: str) -> list[str]:
    """The sandbox images of a machine."""
    listing = ("docker", "image", "ls", "--format={{.Tag}}", "cfiddle-sandbox")
    return sorted(cluster.on(name, *listing).split())


def test_notebooks_go_on_while_everything_else_is_updated(
    cluster: Machines, next_version: NextVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tags(cluster, "w1")
    cluster.on_service("head", "user", "python3", "-c", OPEN_A_NOTEBOOK)
    cluster.check("run", USER, "rm", "-rf", "old")
    command = cluster.command("run", USER, "python3", "-W", "ignore", "-c", PROGRAM, "old", "9999")
    old = process.start(command, stdout=subprocess.PIPE, env=cluster.environment)
    try:
        container = cluster.container("head", "user")
        said = next_version.update()
        assert re.search(r"Open on the user node: \d+ notebooks? \(jovyan \d+\) and 1 term", said)
        assert f"({USER} 1). The user node keeps its version" in said
        assert cluster.container("head", "user") == container
        assert is_older(cluster)
        assert len(tags(cluster, "w1")) == len(before) + 1
        # Also what is started there now is of the old version, and works.
        assert runs(cluster, 3) == by(__version__, 3)
    finally:
        cluster.check("run", USER, "touch", "old/stop")
        lines, _ = old.communicate(timeout=120)
    found = [json.loads(line) for line in lines.splitlines()]
    with capsys.disabled():
        print(f"\n{len(found)} runs of an open notebook while everything else was updated")
    (good,) = by(__version__)
    assert [run for run in found if run != good] == []
    assert len(found) >= 10
    # A worker that lost the older image gets it again; so does a new one.
    (older,) = set(before) - {"latest"}
    cluster.on("w2", "docker", "image", "rm", f"cfiddle-sandbox:{older}")
    assert f"copying cfiddle-sandbox:{older}" in cluster.check("images", "push")
    assert tags(cluster, "w2") == tags(cluster, "w1")
    # It was closed; the other one is still open.
    said = next_version.update("--now")
    assert re.search(r"cuts off: \d+ notebooks? \(jovyan \d+\)", said)
    assert "terminal" not in said
    assert not is_older(cluster)
    assert runs(cluster) == by(NEXT)
    # Nothing is open now: what comes next, this very version again, is for all at once.
    assert "The cluster is up to date." in cluster.check("update", "--at=03:00", timeout=SECONDS)
    next_version.is_gone = True
    assert not is_older(cluster)
    assert runs(cluster) == by(__version__)
    # What nobody needs any more is gone; what is built anew may have another id.
    assert len(tags(cluster, "w1")) == len(before)

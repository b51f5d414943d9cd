"""A cluster of three machines, made by the commands that an administrator would type."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfiddle_slurm.process import CommandTimeout
from tests.machines.harness import Machines

HOME = "/srv/home"
SYSCTLS = [Path("/proc/sys/kernel", name) for name in ("perf_event_paranoid", "kptr_restrict")]
"""All machines here have one kernel, and `provision` sets these."""


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A head and two workers, bare."""
    # Whoever ends the tests wants the machines to be removed, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made = Machines(tmp_path_factory.mktemp("machines"))
    before = {path: path.read_text() for path in SYSCTLS if path.exists()}
    try:
        made.prepare()
        for name in ("head", "w1", "w2"):
            made.start(name)
        made.bring_base("head")
        yield made
    finally:
        made.remove()
        for path, text in before.items():
            if path.read_text() != text:
                path.write_text(text)


@pytest.fixture(scope="session")
def cluster(machines: Machines) -> Iterator[Machines]:
    """The cluster on them. Each step is done twice: the second time nothing is left to do."""
    workers = [f"--worker={machines.address(name)}" for name in ("w1", "w2")]
    for _ in range(2):
        machines.check("init", f"--head={machines.address('head')}", *workers, "--home=bind")
    text = machines.file.read_text()
    machines.file.write_text(text.replace('"/srv/cfiddle/home"', f'"{HOME}"'))
    for _ in range(2):
        # A warning, since no hardware counters are here; nothing that makes it impossible.
        assert machines.cluster("check").status in (0, 1)
        machines.check("provision")
    for _ in range(2):
        machines.check("images", "build", timeout=1200)
        machines.check("images", "push")
    # It may end in the middle: whoever types it again goes on from there.
    for seconds in (3, 9):
        with pytest.raises(CommandTimeout):
            machines.cluster("up", timeout=seconds)
    for _ in range(2):
        machines.check("up")
    yield machines
    for _ in range(2):
        machines.check("down", "--purge", "--yes")
    for name in ("head", "w1", "w2"):
        assert machines.on(name, "docker", "ps", "--all", "--quiet") == ""
        assert machines.on(name, "docker", "volume", "ls", "--quiet") == ""
        state = machines.on(name, "docker", "info", "--format={{.Swarm.LocalNodeState}}")
        assert state == "inactive"
        networks = machines.on(name, "docker", "network", "ls", "--format={{.Name}}").split()
        assert not [network for network in networks if network.startswith("cfiddle")]

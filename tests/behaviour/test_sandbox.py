"""What only a cluster has: the walls of the sandbox, and Slurm's refusals."""

import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfiddle
import pytest
from cfiddle import arg_map

import cfiddle_slurm
from cfiddle_slurm import SlurmSandboxDelegate, errors

pytestmark = pytest.mark.cluster

BOMBS = """
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" int fine(int n)
{ return n; }
extern "C" int forks(int n)
{ for (;;) fork(); return n; }
extern "C" int memory(int n) {
    for (;;) { char *p = (char *)malloc(1 << 24); if (p) memset(p, 1, 1 << 24); }
    return n;
}
extern "C" int fill(int gigabytes) {
    static char block[1 << 20];
    int file = open("big", O_CREAT | O_WRONLY, 0600);
    for (long i = 0; i < gigabytes * 1024l; i++)
        if (write(file, block, sizeof block) < 0) { close(file); return -errno; }
    close(file);
    return 0;
}
extern "C" int flood(int megabytes) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < megabytes; i++) fwrite(block, 1, sizeof block, stdout);
    return 0;
}
"""

PROBE = """
import ctypes
import os


class Probe:
    def look(self):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        self.capabilities = {k: int(status[k], 16) for k in ("CapEff", "CapPrm", "CapBnd")}
        with open("/proc/sys/kernel/perf_event_paranoid") as level:
            self.counters_for_all = int(level.read()) <= 1
        self.no_new_privileges = status["NoNewPrivs"].strip()
        self.ids = os.getresuid(), os.getresgid(), os.getgroups()
        self.interfaces = os.listdir("/sys/class/net")
        self.homes = os.listdir("/home")
        self.processes = [p for p in os.listdir("/proc") if p.isdigit()]
        self.refused = {}
        for place in ("/", "/usr", "/etc", "/var/tmp", "/root", "/dev", "/sys", "/proc/sys/kernel"):
            try:
                open(place + "/written-by-an-experiment", "w").close()
            except OSError as error:
                self.refused[place] = error.strerror
            else:
                self.refused[place] = None
        self.secrets = [p for p in ("/run/munge", "/var/run/docker.sock", "/run/secrets",
                                    "/run/cfiddle-slurm") if os.path.exists(p)]
        self.set_user_id = [
            os.path.join(folder, name)
            for top in ("/bin", "/usr", "/opt", "/sbin")
            for folder, _, names in os.walk(top)
            for name in names
            if os.lstat(os.path.join(folder, name)).st_mode & 0o6000
        ]
"""


@pytest.fixture
def bombs(compiled: Any) -> Any:
    return compiled(BOMBS)


@pytest.fixture
def probe(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (workplace / "probe_of_walls.py").write_text(PROBE)
    monkeypatch.syspath_prepend(str(workplace))
    yield importlib.import_module("probe_of_walls").Probe()
    del sys.modules["probe_of_walls"]


def test_the_walls_seen_from_inside(probe: Any) -> None:
    SlurmSandboxDelegate(scheduler="slurm").invoke(probe, "look")
    # CAP_PERFMON of linux/capability.h, where counters need it.
    perfmon = 0 if probe.counters_for_all else 1 << 38
    assert probe.capabilities == {"CapEff": perfmon, "CapPrm": perfmon, "CapBnd": perfmon}
    assert probe.no_new_privileges == "1"
    assert probe.ids == ((7000, 7000, 7000), (7000, 7000, 7000), [])
    assert probe.interfaces == ["lo"]
    assert probe.homes == []
    assert len(probe.processes) <= 2
    assert all(probe.refused.values()), probe.refused
    assert probe.secrets == []
    assert probe.set_user_id == []


@pytest.mark.parametrize(
    ("function", "argument", "error"),
    [
        ("forks", 1, errors.TooManyProcesses),
        ("memory", 1, errors.OutOfMemory),
        ("fill", 10, errors.ScratchFull),
        ("flood", 1024, errors.OutputLimit),
    ],
)
def test_each_bomb_has_its_own_error_and_harms_nobody(
    bombs: Any, configured: Any, function: str, argument: int, error: type[Exception]
) -> None:
    configured(show_output=False)
    began = time.monotonic()
    with pytest.raises(error):
        cfiddle.run(bombs, function, arg_map(**{_parameter(function): argument}))
    assert time.monotonic() - began < 60
    assert cfiddle.run(bombs, "fine", arg_map(n=2))[0].return_value == 2


def _parameter(function: str) -> str:
    return {"fill": "gigabytes", "flood": "megabytes"}.get(function, "n")


@pytest.mark.parametrize(
    ("asked", "without_the_sites_word", "words"),
    [
        ({"image": "debian:latest"}, {"allowed_images": ["debian:latest"]}, "debian:latest"),
        ({"memory": "1TiB"}, {"max_memory": "2TiB"}, "memory"),
        ({"time_limit": "2:00:00"}, {"max_time_limit": "3:00:00"}, "wall"),
    ],
    ids=lambda value: str(value),
)
def test_more_than_the_policy_allows_is_refused(
    bombs: Any, configured: Any, asked: Any, without_the_sites_word: Any, words: str
) -> None:
    """At once, where the site says what it allows; and by the worker, whatever the site says."""
    with pytest.raises(errors.SettingsError, match=r"[Tt]his site (does not )?allow"):
        configured(**asked)
    configured(**asked, **without_the_sites_word)
    with pytest.raises(errors.SandboxRefused, match=words):
        cfiddle.run(bombs, "fine", arg_map(n=1))


def test_slurms_own_words_tell_of_an_unknown_partition(bombs: Any, configured: Any) -> None:
    configured(partition="nowhere")
    with pytest.raises(errors.SubmissionError, match=r"(?i)partition"):
        cfiddle.run(bombs, "fine", arg_map(n=1))


@pytest.mark.parametrize("submit", ["sbatch", "srun"])
def test_both_ways_to_submit(bombs: Any, configured: Any, submit: str) -> None:
    configured(submit=submit)
    for number in range(2):
        assert cfiddle.run(bombs, "fine", arg_map(n=number))[0].return_value == number
    report = cfiddle_slurm.last_report()
    assert report is not None
    assert report.container


def test_a_run_survives_the_loss_of_sbatchs_reply(
    bombs: Any, configured: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is submitted, the answer gets lost: it is found by its name, and run once."""
    real = shutil.which("sbatch")
    calls = tmp_path / "calls"
    liar = tmp_path / "bin" / "sbatch"
    liar.parent.mkdir()
    liar.write_text(
        f"#!/bin/sh\necho called >>'{calls}'\n{real} \"$@\" >/dev/null\n"
        "echo 'sbatch: error: Batch job submission failed: "
        "Socket timed out on send/recv operation' >&2\n"
        "exit 1\n"
    )
    liar.chmod(0o755)
    monkeypatch.setenv("PATH", f"{liar.parent}:{os.environ['PATH']}")
    configured(binding="commands")
    assert cfiddle.run(bombs, "fine", arg_map(n=9))[0].return_value == 9
    assert calls.read_text().split() == ["called"]


def test_work_may_be_outside_the_shared_home_but_not_its_jobs_directory(
    compiled: Any, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        monkeypatch.chdir(elsewhere)
        Path("in.txt").write_text("7")
        copy = compiled("""
            #include <stdio.h>
            extern "C" int copy(int n) {
                FILE *in = fopen("in.txt", "r"), *out = fopen("out.txt", "w");
                fputc(fgetc(in) + n, out);
                return fclose(out);
            }
        """)
        configured(input_files=["in.txt"], output_files=["out.txt"])
        cfiddle.run(copy, "copy", arg_map(n=1))
        assert Path("out.txt").read_text() == "8"
        configured(jobs_directory=Path(elsewhere, "jobs"))
        with pytest.raises(errors.InputError, match=f"{elsewhere}.*shared home"):
            cfiddle.run(copy, "copy", arg_map(n=1))

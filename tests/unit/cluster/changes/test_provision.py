"""How machines are prepared. The script of the exports runs here, beside stand-ins of the programs
that would change this machine; no other script does."""

import os
import subprocess
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.changes import provision
from cfiddle_slurm.cluster.hosts.fleet import Incomplete
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.site.config import Config

NFS = Config(head="h", workers=("w1", "w2"), home="nfs", home_path="/export")
OPTIONS = "(rw,sync,root_squash,no_subtree_check)"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, tuple[str, ...]]]:
    """What runs where: machine, script, words."""
    found: list[tuple[str, str, tuple[str, ...]]] = []

    def check_shell(machine: Machine, script: str, *words: str, timeout: float = 0) -> str:
        found.append((machine.address, script, words))
        return "one\ndone" if words == ("up",) else ""

    monkeypatch.setattr(Machine, "check_shell", check_shell)
    return found


Scripts = list[tuple[str, str, tuple[str, ...]]]


def test_the_homes_are_exported_to_the_workers_and_nobody_else() -> None:
    assert provision.export_line(NFS) == f'"/export" w1{OPTIONS} w2{OPTIONS}'


def prepared(config: Config) -> list[str]:
    said: list[str] = []
    provision.all_machines(config, said.append)
    return said


def test_every_machine_gets_an_engine(scripts: Scripts) -> None:
    said = prepared(NFS)
    assert {where for where, _, words in scripts if words == ("up",)} == {"h", "w1", "w2"}
    assert {f"{name}: done" for name in ("h", "w1", "w2")} <= set(said)


def test_workers_get_the_account_and_the_head_does_not(scripts: Scripts) -> None:
    prepared(NFS)
    assert {where for where, script, _ in scripts if "useradd" in script} == {"w1", "w2"}


def test_the_head_exports_what_it_is_told_to(scripts: Scripts) -> None:
    said = prepared(NFS)
    (export,) = [entry for entry in scripts if "exportfs" in entry[1]]
    assert (export[0], export[2]) == ("h", ("/export", provision.export_line(NFS)))
    assert "h: /export is exported" in said


@pytest.mark.parametrize(
    ("config", "folders"),
    [
        (Config(head="h", workers=("w1",), home="nfs", nfs_server="nas"), []),
        (Config(head="h", workers=("w1",), home="bind", home_path="/s"), [("h", ("/s",))]),
        (Config(), []),
    ],
)
def test_nothing_is_exported_that_another_machine_exports(
    scripts: Scripts, config: Config, folders: list[tuple[str, tuple[str, ...]]]
) -> None:
    prepared(config)
    assert not [entry for entry in scripts if "exportfs" in entry[1]]
    made = 'mkdir -p "$1"'
    assert [(where, words) for where, script, words in scripts if script.strip() == made] == folders


def test_a_machine_that_cannot_be_prepared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(machine: Machine, script: str, *words: str, timeout: float = 0) -> str:
        raise MachineError(f"{machine}: no package manager")

    monkeypatch.setattr(Machine, "check_shell", fail)
    with pytest.raises(MachineError, match="w1: no package manager\nw2: no package manager"):
        prepared(NFS)
    with pytest.raises(MachineError, match="this machine: no package manager"):
        prepared(Config())


def test_one_machine_that_cannot_be_prepared_does_not_keep_others_from_it(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Machine.check_shell

    def fail(machine: Machine, script: str, *words: str, timeout: float = 0) -> str:
        if machine.address == "w1":
            raise MachineError("w1: no package manager")
        return good(machine, script, *words, timeout=timeout)

    monkeypatch.setattr(Machine, "check_shell", fail)
    with pytest.raises(Incomplete, match=r"^w1: no package manager\nThe rest is prepared\.$"):
        prepared(NFS)
    assert {where for where, _, _ in scripts} == {"h", "w2"}


@pytest.mark.parametrize(("config", "where"), [(NFS, {"w1", "w2"}), (Config(), {"local"})])
def test_counters_are_opened_where_experiments_run(
    scripts: Scripts, config: Config, where: set[str]
) -> None:
    prepared(config)
    assert {place for place, script, _ in scripts if "perf_event_paranoid" in script} == where


STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >>"$SAID"
exit "${STATUS:-0}"
"""


class Head:
    """A machine whose exports are in a folder, and whose programs only note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.home, self.exports = folder / "the homes", folder / "exports.d"
        self._said, self._programs = folder / "said", folder / "programs"
        self._programs.mkdir()
        for name in ("dpkg", "apt-get", "exportfs"):
            self.stand_in(name)

    def stand_in(self, name: str, status: int = 0) -> None:
        """Have a program, or one that fails."""
        program = self._programs / name
        program.write_text(STAND_IN.replace("${STATUS:-0}", str(status)))
        program.chmod(0o755)

    def export(self, line: str) -> tuple[int, str, list[str]]:
        """Run the script: its status, what it says, and the programs that it called."""
        script = provision._EXPORT.replace("/etc/exports.d", str(self.exports))
        assert script != provision._EXPORT
        self._said.write_text("")
        done = subprocess.run(
            ["sh", "-s", str(self.home), line],
            input=script, capture_output=True, text=True, check=False, timeout=30,
            env={"PATH": f"{self._programs}:{os.environ['PATH']}", "SAID": str(self._said)},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr, self._said.read_text().splitlines()


@pytest.fixture
def head(tmp_path: Path) -> Head:
    return Head(tmp_path)


ASKED = "dpkg -s nfs-kernel-server"


def test_the_script_exports_the_homes_and_says_so(head: Head) -> None:
    line = provision.export_line(NFS)
    assert head.export(line) == (0, "exported\n", [ASKED, "exportfs -ra"])
    assert (head.exports / "cfiddle.exports").read_text() == f"{line}\n"
    assert head.home.is_dir()


def test_what_is_exported_already_is_left_alone_and_another_line_takes_its_place(
    head: Head,
) -> None:
    head.export("one")
    assert head.export("one") == (0, "", [ASKED])
    assert head.export("another") == (0, "exported\n", [ASKED, "exportfs -ra"])
    assert (head.exports / "cfiddle.exports").read_text() == "another\n"


def test_a_head_without_the_server_gets_it(head: Head) -> None:
    head.stand_in("dpkg", status=1)
    status, _, called = head.export("one")
    assert status == 0
    assert called == [
        ASKED,
        "apt-get -qq update",
        "apt-get -qq install --yes nfs-kernel-server",
        "exportfs -ra",
    ]


@pytest.mark.parametrize("program", ["apt-get", "exportfs"])
def test_what_cannot_be_done_is_not_called_exported(head: Head, program: str) -> None:
    head.stand_in("dpkg", status=1)
    head.stand_in(program, status=100)
    status, said, _ = head.export("one")
    assert status == 100
    assert "exported" not in said
    head.stand_in(program)
    assert head.export("one")[1] == "exported\n"

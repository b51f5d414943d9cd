"""Whom the end of the user node would cut off."""

import json

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.people import open_work
from cfiddle_slurm.cluster.people.open_work import OpenWork, Process
from cfiddle_slurm.cluster.services import stack
from tests.unit.cluster.conftest import HEAD, Program

INIT = Process(1, 0, 0, "root", ("/sbin/docker-init", "--", "user-node"))
SERVER = Process(7, 1, 1000, "jovyan", ("/usr/bin/python3", "/usr/local/bin/jupyter-lab", "--x"))
NOBODY = [INIT, SERVER]


def kernel(pid: int, account: str = "jovyan", parent: int = 7) -> Process:
    words = ("python3", "-m", "ipykernel_launcher", "-f", f"/run/kernel-{pid}abc-4d-77.json")
    return Process(pid, parent, 1000, account, words)


def program(pid: int, parent: int, account: str = "jovyan", uid: int = 1000) -> Process:
    return Process(pid, parent, uid, account, ("/bin/bash", "-l"))


@pytest.mark.parametrize(
    ("processes", "found", "words"),
    [
        (NOBODY, OpenWork(), ""),
        ([*NOBODY, program(9, 0, "root", 0), program(10, 0, "munge", 101)], OpenWork(), ""),
        ([*NOBODY, kernel(9)], OpenWork({"jovyan": 1}), "1 notebook (jovyan 1)"),
        (
            [*NOBODY, kernel(9, "ana"), kernel(10), kernel(11), program(12, 11)],
            OpenWork({"jovyan": 2, "ana": 1}),
            "3 notebooks (jovyan 2, ana 1)",
        ),
        (  # a terminal with a program in it; a program that was started from outside
            [*NOBODY, program(9, 7), program(10, 9), program(11, 0, "ana", 1001)],
            OpenWork({}, {"ana": 1, "jovyan": 1}),
            "2 terminals and programs (ana 1, jovyan 1)",
        ),
        (
            [*NOBODY, kernel(9), program(10, 1)],  # what is left of a terminal that was closed
            OpenWork({"jovyan": 1}, {"jovyan": 1}),
            "1 notebook (jovyan 1) and 1 terminal or program (jovyan 1)",
        ),
        # A list that was not made in one moment may hold a circle.
        ([program(9, 10), program(10, 9)], OpenWork(), ""),
    ],
)
def test_what_is_open_is_counted_by_account(
    processes: list[Process], found: OpenWork, words: str
) -> None:
    assert open_work.summary(processes) == found
    assert (str(found), bool(found)) == (words, bool(words))


def test_a_class_is_not_listed_in_full() -> None:
    many = [kernel(number, f"s{number}") for number in range(10, 40)]
    assert str(open_work.summary(many)).startswith("30 notebooks (s10 1, s11 1, ")
    assert str(open_work.summary(many)).endswith(", and 18 other accounts)".replace("and ", ""))


def test_names_that_would_be_obeyed_are_written_out() -> None:
    assert "\x1b" not in str(open_work.summary([kernel(9, "\x1b]0;x\x07")]))


def test_the_user_node_is_asked(docker: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "container_on", lambda head, service: "c0ffee")
    rows = [[7, 1, 1000, "jovyan", ["jupyter-lab"]], [9, 7, 1000, "jovyan", ["x/kernel-9.json"]]]
    docker.answers("exec *", f"echo '{json.dumps(rows)}'")
    assert open_work.look(HEAD) == OpenWork({"jovyan": 1})
    assert docker.calls[0][:3] == ["exec", "--user=0", "c0ffee"]


def test_the_program_sees_this_very_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-I", "-c", open_work._PROGRAM], capture_output=True)
    mine = next(one for one in open_work.parse(done.stdout.decode()) if one.pid == os.getpid())
    assert (mine.parent, mine.uid) == (os.getppid(), os.getuid())
    assert "python" in mine.words[0]


@pytest.mark.parametrize("text", ["", "Traceback", "[[1]]", '[["x", 1, 2, "a", []]]', "7"])
def test_an_answer_that_is_none(text: str) -> None:
    with pytest.raises(MachineError, match="What runs on the user node cannot be read"):
        open_work.parse(text)


def test_a_service_of_the_user_node_is_nobodys_work() -> None:
    assert not open_work.summary([program(7, 1, "door", 7103)])

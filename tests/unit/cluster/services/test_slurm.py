"""What Slurm says of its nodes, and what it is told about users."""

import re
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest

from cfiddle_slurm.cluster.hosts import waiting
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.services import slurm
from cfiddle_slurm.cluster.services.slurm import Job
from cfiddle_slurm.cluster.services.stack import NotHealthy
from cfiddle_slurm.slurm_states import Node, parse_nodes
from tests.unit.cluster.conftest import HEAD, Program

SHOW = "exec c0ffee scontrol --oneliner show nodes"


def line(name: str, state: str, more: str = "", features: str = "cfiddle,cpu_AMD") -> str:
    """A node as Slurm 24.11 prints it."""
    return (
        f"NodeName={name} Arch=x86_64 CoresPerSocket=8 CPUAlloc=0 CPUEfctv=16 CPULoad=0.08"
        f" AvailableFeatures={features} ActiveFeatures={features} Gres=(null)"
        f" NodeAddr=10.0.0.9 NodeHostName={name} Version=24.11.5"
        " OS=Linux 6.1.0-18-amd64 #1 SMP Debian 6.1.76-1 (2024-02-01) RealMemory=1"
        f" Sockets=1 Boards=1 State={state} ThreadsPerCore=2 TmpDisk=0 Owner=N/A MCS_label=N/A"
        " Partitions=cfiddle BootTime=2025-01-01T00:00:00 CfgTRES=cpu=16,mem=1M AllocTRES="
        f" CurrentWatts=0 AveWatts=0{more}"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "node", "usable", "busy"),
    [
        (
            line("w1", "IDLE+DYNAMIC_NORM"),
            Node("w1", "idle+dynamic_norm", "cfiddle,cpu_AMD", ""), True, False,
        ),
        (
            line("w1", "ALLOCATED+DYNAMIC_NORM"),
            Node("w1", "allocated+dynamic_norm", "cfiddle,cpu_AMD", ""), True, True,
        ),
        (
            line("w-2.lan", "IDLE+DRAIN", " Reason=bad fan in slot 2 [root@2025-01-01T00:00:00]"),
            Node("w-2.lan", "idle+drain", "cfiddle,cpu_AMD", "bad fan in slot 2"), False, False,
        ),
        (
            line("w1", "MIXED+DRAIN", " Reason=x Comment=y z"),
            Node("w1", "mixed+drain", "cfiddle,cpu_AMD", "x"), False, True,
        ),
        (
            line("w1", "DOWN*+DYNAMIC_NORM", " Reason=Not responding [slurm@2025-01-01T00:00:00]"),
            Node("w1", "down+not_responding+dynamic_norm", "cfiddle,cpu_AMD", "Not responding"),
            False, False,
        ),
        (
            line("w1", "IDLE+NOT_RESPONDING", features="(null)"),
            Node("w1", "idle+not_responding", "", ""), False, False,
        ),
        (line("w1", "UNKNOWN"), Node("w1", "unknown", "cfiddle,cpu_AMD", ""), False, False),
    ],
)  # fmt: skip
def test_a_node_and_whether_it_takes_jobs(text: str, node: Node, usable: bool, busy: bool) -> None:
    (found,) = parse_nodes(text)
    assert found == node
    assert (found.usable, found.busy) == (usable, busy)


def test_nodes_are_listed_by_name() -> None:
    text = f"{line('w2', 'IDLE')}\n{line('w1', 'DOWN')}\n\nNo nodes in the system\n"
    assert [node.name for node in parse_nodes(text)] == ["w1", "w2"]


@pytest.fixture
def controller(docker: Program) -> Program:
    docker.answers("ps *cfiddle_controller", "echo c0ffee")
    return docker


def asked(docker: Program) -> list[str]:
    """What the controller was asked."""
    found = [line for line in docker.lines if not line.startswith("ps ")]
    assert all(line.startswith("exec c0ffee ") for line in found)
    return [line.removeprefix("exec c0ffee ") for line in found]


def test_a_cluster_without_nodes_has_none(controller: Program) -> None:
    controller.answers(SHOW, "echo 'No nodes in the system'; exit 1")
    assert slurm.nodes(HEAD) == []


def test_without_a_controller_slurm_is_not_asked(docker: Program) -> None:
    docker.answers("ps *")
    with pytest.raises(NotHealthy, match="The service controller has no healthy container"):
        slurm.nodes(HEAD)


def test_the_queue(controller: Program) -> None:
    controller.answers(
        "exec c0ffee squeue *",
        "echo '7|ann|RUNNING|1-02:00:07|w1|None|cfiddle-ab'; echo; echo 'slurm_load_jobs: strange';"
        "echo '8|bob|PENDING|0:00||(Priority)|hidden | by || its name'",
    )
    assert slurm.queue(HEAD) == [
        Job("7", "ann", "RUNNING", 26 * 3600 + 7, "w1", "None", "cfiddle-ab"),
        Job("8", "bob", "PENDING", 0, "", "(Priority)", "hidden | by || its name"),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:07", 7),
        ("59:59", 3599),
        ("2:00:00", 7200),
        ("9-00:00:01", 777601),
        ("INVALID", 0),
        ("", 0),
    ],
)
def test_slurms_times_are_numbers(text: str, seconds: int) -> None:
    assert slurm.seconds_of(text) == seconds


def test_a_node_is_drained_and_resumed(controller: Program) -> None:
    controller.answers("exec c0ffee s*")
    slurm.drain(HEAD, "w1", "a fan; $(id)")
    assert controller.calls[-1][-2:] == ["w1", "a fan; $(id)"]  # arguments, and no shell's text
    assert "node_state" in controller.calls[-1][-4], "it is waited for until that is written down"
    slurm.resume(HEAD, "w1")
    assert {"NodeName=w1", "State=RESUME"} <= {*controller.calls[-1]}
    slurm.delete(HEAD, "w1")
    assert {"delete", "NodeName=w1"} <= {*controller.calls[-1]}


@pytest.mark.parametrize("name", ["", "w[1-9]", "w1,w2", "ALL w", "-x", "w1 State=IDLE"])
def test_a_name_that_would_mean_more_than_one_node_is_refused(
    controller: Program, name: str
) -> None:
    acts: list[Callable[[], None]] = [
        lambda: slurm.drain(HEAD, name, "x"),
        lambda: slurm.resume(HEAD, name),
        lambda: slurm.delete(HEAD, name),
    ]
    for act in acts:
        with pytest.raises(MachineError, match="is not the name of a worker"):
            act()
    assert controller.lines == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later; nobody sleeps."""
    clock = count()
    stand_in = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None)
    monkeypatch.setattr(waiting, "time", stand_in)


@pytest.mark.usefixtures("quick")
def test_a_busy_worker_is_waited_for(controller: Program) -> None:
    controller.answers(
        SHOW, f"test -e seen && echo '{line('w1', 'IDLE+DRAIN')}' || "
        f"echo '{line('w1', 'ALLOCATED+DRAIN')}'; >seen",
    )  # fmt: skip
    said: list[str] = []
    slurm.wait_until_free(HEAD, "w1", 100, said.append)
    assert said == ["w1: waiting for its current job to finish"]
    assert len(asked(controller)) == 2
    slurm.wait_until_free(HEAD, "another", 100, said.append)
    assert len(said) == 1


@pytest.mark.usefixtures("quick")
def test_a_worker_that_stays_busy_is_told(controller: Program) -> None:
    controller.answers(SHOW, f"echo '{line('w1', 'MIXED+DRAIN')}'")
    with pytest.raises(MachineError, match="w1 still has a job after 3 seconds"):
        slurm.wait_until_free(HEAD, "w1", 3, lambda text: None)


@pytest.mark.usefixtures("quick")
def test_workers_are_waited_for_until_all_take_jobs(controller: Program) -> None:
    controller.answers(
        SHOW, f"test -e seen && echo '{line('w2', 'IDLE')}'; >seen; echo '{line('w1', 'IDLE')}'"
    )
    slurm.wait_until_usable(HEAD, ["w1", "w2"])
    assert len(asked(controller)) == 2


@pytest.mark.usefixtures("quick")
def test_a_worker_that_takes_no_jobs_is_told_with_its_state(
    controller: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "_USABLE_SECONDS", 2.0)
    controller.answers(SHOW, f"echo '{line('w1', 'IDLE+DRAIN', ' Reason=a fan')}'")
    with pytest.raises(MachineError, match=r"jobs to w1 after 2 .*its state is idle\+drain a fan"):
        slurm.wait_until_usable(HEAD, ["w1"])
    with pytest.raises(MachineError, match="jobs to w2 after 2 seconds: it is not registered"):
        slurm.wait_until_usable(HEAD, ["w2"])


def test_users_are_added_by_the_hundred(controller: Program) -> None:
    controller.answers("exec c0ffee sacctmgr *")
    names = [f"user{number:03}" for number in range(215)]
    slurm.ensure_users(HEAD, [*reversed(names), "user000"], 7)
    found = asked(controller)
    added = [re.findall("add user ([^ ]*) ", line) for line in found]
    lists = [one.split(",") for words in added for one in words]
    assert [len(one) for one in lists] == [100, 100, 15]
    assert [name for one in lists for name in one] == names
    limits = [line for line in found if " modify user " in line]
    assert [line.endswith(" set MaxSubmitJobs=7") for line in limits] == [True] * 3
    assert found[0].startswith("sacctmgr --immediate add account students ")


@pytest.mark.parametrize("words", ["Nothing new added.", " Already existing account students"])
def test_what_is_there_already_is_no_error(controller: Program, words: str) -> None:
    controller.answers("exec c0ffee sacctmgr *", f"echo '{words}'; exit 1")
    slurm.ensure_users(HEAD, ["ann"], 5)
    assert len(asked(controller)) == 3


def test_any_other_refusal_is_an_error(controller: Program) -> None:
    controller.answers("exec c0ffee sacctmgr *")
    controller.answers("exec c0ffee sacctmgr *add user*", "echo 'Problem: no user' >&2; exit 1")
    with pytest.raises(MachineError, match="Slurm's accounting refused: Problem: no user"):
        slurm.ensure_users(HEAD, ["ann"], 5)


def test_nobody_is_no_work(controller: Program) -> None:
    controller.answers("exec c0ffee sacctmgr *")
    slurm.ensure_users(HEAD, [], 5)
    assert len(asked(controller)) == 1


def test_a_forgotten_user_has_no_jobs_left(controller: Program) -> None:
    controller.answers("exec c0ffee *")
    slurm.forget_user(HEAD, "ann")
    assert asked(controller) == [
        "sacctmgr --immediate modify user where Name=ann set MaxSubmitJobs=0",
        "scancel --user=ann",
        "squeue --noheader --format=%i --user=ann",
        "sacctmgr --immediate remove user Name=ann",
    ]


@pytest.mark.parametrize("reason", ["cfiddle: no image", "Prolog error"])
def test_a_person_gives_no_reason_that_a_machine_would_take_back(
    controller: Program, reason: str
) -> None:
    with pytest.raises(MachineError, match="give another one"):
        slurm.drain(HEAD, "w1", reason)
    assert controller.calls == []


def test_how_slurm_itself_is(controller: Program) -> None:
    text = "DBD Agent queue size: 42\nPartitionName=cfiddle AllowGroups=ALL State=UP TotalCPUs=4"
    controller.answers("exec c0ffee sh -c *", f"echo '{text}'")
    assert slurm.diagnosis(HEAD) == {"backlog": 42, "partition": "UP"}
    controller.answers("exec c0ffee sh -c *")
    assert slurm.diagnosis(HEAD) == {"backlog": None, "partition": "unknown"}

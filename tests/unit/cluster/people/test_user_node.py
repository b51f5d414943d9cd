"""The user node: commands, files and Jupyter's address."""

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.people.account_book import AccountError
from cfiddle_slurm.cluster.services.stack import NotHealthy
from tests.unit.cluster.conftest import AT_WORKER, HEAD, WORKER, Program

ENTRY = "ann:x:1001:1005::/home/ann:/bin/bash"
AS_ANN = ["c0ffee", "/usr/local/lib/cfiddle-slurm/enter", "ann"]


@pytest.fixture
def node(docker: Program) -> Program:
    """A user node that knows the account ann."""
    docker.answers("ps *", "echo c0ffee")
    docker.answers("exec c0ffee getent -s extrausers passwd *", "exit 2")
    docker.answers("exec c0ffee getent -s extrausers passwd ann", f"echo {ENTRY}")
    return docker


@pytest.mark.usefixtures("node")
def test_a_command_runs_as_its_user_in_the_users_home() -> None:
    command = ["sh", "-c", "echo $HOME; id"]
    assert user_node.exec_arguments(HEAD, "ann", command) == [
        "docker", "exec", "--interactive", *AS_ANN, *command,
    ]  # fmt: skip
    found = user_node.exec_arguments(HEAD, "ann", command, terminal=True)
    assert found[2:4] == ["--interactive", "--tty"]


def test_an_unknown_account_is_refused(node: Program) -> None:
    with pytest.raises(AccountError, match="There is no account 'bob'"):
        user_node.exec_arguments(HEAD, "bob", ["id"])
    assert node.those("getent") == ["exec c0ffee getent -s extrausers passwd bob"]


@pytest.mark.parametrize("user", ["root", "nobody", "0", "1001", "-s", "", ".", "../ann", "ann\n"])
def test_nobody_enters_as_one_of_the_systems_users(node: Program, user: str) -> None:
    # Not even where the accounts' file, or a number in place of a name, would have it.
    node.answers("exec c0ffee getent -s extrausers passwd *", "echo root:x:0:0::/root:/bin/sh")
    with pytest.raises(AccountError, match="There is no account"):
        user_node.exec_arguments(HEAD, user, ["id"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("echo 'ssh: connection reset' >&2; exit 255", "ssh: connection reset"),
        ("echo 'OCI runtime exec failed' >&2; exit 126", "OCI runtime exec failed"),
        ("exit 0", "it prints nothing"),
        ("echo strange", "strange"),
    ],
)
def test_an_account_is_not_unknown_because_nobody_answered(
    node: Program, monkeypatch: pytest.MonkeyPatch, answer: str, words: str
) -> None:
    monkeypatch.setattr(user_node, "_PAUSE_SECONDS", 0.0)
    node.answers("exec c0ffee getent -s extrausers passwd ann", answer)
    with pytest.raises(MachineError, match=f"does not tell who 'ann' is: {words}"):
        user_node.exec_arguments(HEAD, "ann", ["id"])
    assert len(node.those("getent")) == 3


def test_an_account_is_asked_for_again_after_a_lost_answer(
    node: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_node, "_PAUSE_SECONDS", 0.0)
    once = f"if [ -e asked ]; then echo {ENTRY}; else touch asked; fi"
    node.answers("exec c0ffee getent -s extrausers passwd ann", once)
    assert user_node.exec_arguments(HEAD, "ann", ["id"])[-2:] == ["ann", "id"]
    assert len(node.those("getent")) == 2


def test_without_a_user_node_nothing_runs(docker: Program) -> None:
    docker.answers("ps *")
    with pytest.raises(NotHealthy, match="The service user"):
        user_node.exec_arguments(HEAD, "ann", ["id"])


def test_a_files_name_is_no_part_of_a_shells_text(node: Program) -> None:
    node.answers("exec --interactive *")
    name, data = "my folder/$(id)'.txt", b"any\0bytes\xff"
    user_node.copy_to_home(HEAD, "ann", name, data)
    call = node.calls[-1]
    assert node.input_of(*call) == data
    assert call[-1] == name
    assert name not in " ".join(call[:-1])


def test_a_file_that_cannot_be_written_is_told(node: Program) -> None:
    node.answers("exec --interactive *", "echo 'Disk quota exceeded' >&2; exit 1")
    with pytest.raises(process.CommandFailed, match="Disk quota exceeded"):
        user_node.copy_to_home(HEAD, "ann", "x", b"")


def test_jupyters_address_holds_its_token(node: Program) -> None:
    node.answers("exec c0ffee cat /run/secrets/cfiddle_jupyter_token", "echo 5ec4e7")
    assert user_node.jupyter_url(HEAD, 8000) == "http://127.0.0.1:8000/lab?token=5ec4e7"
    node.answers(f"{AT_WORKER} ps *", "echo c0ffee")
    node.answers(f"{AT_WORKER} exec c0ffee cat *", "echo 7")
    assert user_node.jupyter_url(WORKER, 8000) == "http://w1:8000/lab?token=7"


def test_another_machines_user_node_is_reached_through_its_engine(docker: Program) -> None:
    docker.answers(f"{AT_WORKER} ps *", "echo c0ffee")
    docker.answers(f"{AT_WORKER} exec c0ffee getent -s extrausers passwd ann", f"echo {ENTRY}")
    found = user_node.exec_arguments(WORKER, "ann", ["id"])
    assert found == ["docker", AT_WORKER, "exec", "--interactive", *AS_ANN, "id"]


def test_examples_are_given_by_the_user_nodes_own_program(node: Program) -> None:
    node.answers("exec c0ffee /usr/local/lib/cfiddle-slurm/give-examples")
    user_node.give_examples(HEAD)
    assert node.those("c0ffee") == ["exec c0ffee /usr/local/lib/cfiddle-slurm/give-examples"]

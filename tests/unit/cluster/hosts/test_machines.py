"""How machines are reached, and what is said when one is not."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts import conversations, machines
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, Unreachable
from cfiddle_slurm.cluster.site.config import Config
from tests.unit.cluster.conftest import AT_WORKER, BEHAVE_LIKE_SSH, HEAD, WORKER, Program

HOSTILE = ["", "two words", "$(echo run)", "`echo run`", "it's", '"; echo x; "', "a\nb", "*", "\\"]
SHOW = 'for one; do printf "[%s]" "$one"; done'


def test_a_docker_command_names_the_machine_it_is_for() -> None:
    assert HEAD.docker_arguments("info") == ["docker", "info"]
    assert WORKER.docker_arguments("ps", "--all") == ["docker", AT_WORKER, "ps", "--all"]
    found = Machine("10.0.0.2", "admin").docker_arguments("info")
    assert found == ["docker", "--host=ssh://admin@10.0.0.2", "info"]


def test_only_this_machine_needs_no_url() -> None:
    assert (HEAD.docker_url, HEAD.is_local) == ("", True)
    assert (WORKER.docker_url, WORKER.is_local) == ("ssh://root@w1", False)
    assert [str(HEAD), str(WORKER)] == ["this machine", "w1"]


def test_the_head_comes_first() -> None:
    config = Config(head="h", workers=("a", "b"), home="nfs", ssh_user="admin")
    assert machines.head_of(config) == Machine("h", "admin")
    assert [one.address for one in machines.all_of(config)] == ["h", "a", "b"]


def test_a_docker_commands_answer_comes_without_white_space(docker: Program) -> None:
    docker.answers(f"{AT_WORKER} info", "echo ' one '; echo; echo words >&2")
    assert WORKER.docker("info") == "one"


def test_a_docker_command_that_fails_is_told_with_machine_and_words(docker: Program) -> None:
    docker.answers("*", "echo 'no space left' >&2; exit 3")
    with pytest.raises(MachineError, match=r"`docker pull x` failed on w1: no space left$"):
        WORKER.docker("pull", "x", "--quiet")
    docker.answers("*", "echo 'only to stdout'; exit 3")
    with pytest.raises(MachineError, match=r"`docker pull x` failed on this machine: only to std"):
        HEAD.docker("pull", "x")
    assert HEAD.try_docker("pull").status == 3


def test_a_docker_commands_input_and_environment(docker: Program) -> None:
    docker.answers("load", 'echo "$WHO"')
    assert HEAD.docker("load", input=b"a\0b", env={**os.environ, "WHO": "me"}) == "me"
    assert docker.input_of("load") == b"a\0b"


def test_no_docker_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(process.CommandMissing, match=r"'docker' cannot be started"):
        HEAD.try_docker("info")


@pytest.mark.usefixtures("programs")
def test_here_a_script_runs_without_ssh() -> None:
    assert HEAD.shell(SHOW, *HOSTILE).stdout == "".join(f"[{one}]" for one in HOSTILE)
    assert HEAD.shell("echo oops >&2; exit 4").status == 4


def test_there_a_scripts_words_arrive_as_they_are(ssh: Program) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    done = WORKER.shell(SHOW, *HOSTILE)
    assert done.stdout == "".join(f"[{one}]" for one in HOSTILE)
    (call,) = ssh.calls
    assert call[-2] == "root@w1"
    assert "BatchMode=yes" in call  # never a question in a terminal that nobody looks at


def test_a_script_is_no_part_of_a_command_line(ssh: Program) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    assert WORKER.check_shell("echo secret words") == "secret words"
    assert "secret" not in " ".join(ssh.lines)


def test_whoever_is_not_root_there_asks_sudo_without_a_question(
    ssh: Program, programs: Path
) -> None:
    sudo = Program(programs, "sudo")
    sudo.answers("*", 'shift; "$@" <"$n/input"')
    ssh.answers("*", BEHAVE_LIKE_SSH)
    assert Machine("w1", "admin").check_shell(SHOW, "it's") == "[it's]"
    assert sudo.calls == [["--non-interactive", "sh", "-s", "--", "it's"]]
    assert ssh.calls[0][-2] == "admin@w1"
    WORKER.check_shell(SHOW)
    assert len(sudo.calls) == 1


def test_a_machine_out_of_reach_is_told_with_sshs_last_words(ssh: Program) -> None:
    ssh.answers("*", "echo 'Warning: banner' >&2; echo 'w1: No route to host' >&2; exit 255")
    with pytest.raises(
        Unreachable, match=r"^w1 cannot be reached by ssh as root: it does not answer\.$"
    ):
        WORKER.shell("true")
    ssh.answers("*", "exit 255")
    with pytest.raises(MachineError, match=r"as root: ssh gave no reason\.$"):
        WORKER.shell("true")


def test_a_scripts_failure_is_no_failure_of_ssh(ssh: Program) -> None:
    ssh.answers("*", BEHAVE_LIKE_SSH)
    assert WORKER.shell("exit 7").status == 7
    with pytest.raises(MachineError, match=r"^w1: a b c d$"):
        WORKER.check_shell("printf 'a\\nb\\nc\\nd\\n' >&2; exit 7")
    with pytest.raises(MachineError, match=r"^w1: a script ended with status 7$"):
        WORKER.check_shell("exit 7")


def test_what_is_done_on_each_machine_is_done_at_once() -> None:
    some = [Machine(name) for name in ("a", "b", "c")]
    together = threading.Barrier(len(some), timeout=60)  # one after the other would never pass

    def name(machine: Machine) -> str:
        together.wait()
        return machine.address

    assert machines.try_each(some, name) == ({one: one.address for one in some}, {})
    assert machines.try_each([], name) == ({}, {})


def test_all_machines_finish_before_one_of_them_fails() -> None:
    done: list[str] = []

    def act(machine: Machine) -> None:
        if machine.address == "a":
            raise MachineError("a is ill")
        done.append(machine.address)

    _, failed = machines.try_each([Machine("a"), Machine("b"), Machine("c")], act)
    assert {machine.address: str(error) for machine, error in failed.items()} == {"a": "a is ill"}
    assert sorted(done) == ["b", "c"]


def test_each_machine_needs_ssh_and_an_engine(ssh: Program, docker: Program) -> None:
    ssh.answers("*")
    docker.answers("*version *", "echo 26.1.5")
    machines.require(HEAD)
    assert ssh.calls == []
    machines.require(WORKER)
    assert len(ssh.calls) == 1
    docker.answers(f"{AT_WORKER} version *", "echo 'Cannot connect to the daemon' >&2; exit 1")
    for why, words in (
        ("missing", "`provision` installs one"),
        ("live-restore", "which Docker's swarm does not work with"),
        ("stopped", "`systemctl status docker` there says why"),
    ):
        ssh.answers("*", f"echo {why}")
        with pytest.raises(MachineError, match=rf"No Docker engine answers on w1: .*{words}.*Can"):
            machines.require(WORKER)
    ssh.answers("*", "echo 'Permission denied (publickey).' >&2; exit 255")
    with pytest.raises(MachineError, match=r"w1 cannot be reached by ssh as root: it refuses"):
        machines.require(WORKER)


def test_a_docker_command_that_finds_no_machine_is_told_as_ssh_is(docker: Program) -> None:
    words = "error during connect: stderr=ssh: Could not resolve hostname w1"
    docker.answers("*", f"echo '{words}' >&2; exit 1")
    with pytest.raises(Unreachable, match=r"^w1 cannot be reached by ssh as root: its name cannot"):
        WORKER.docker("info")


def test_what_could_not_begin_is_tried_again(
    docker: Program, ssh: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    second = 'test -e "$0.tried" || { touch "$0.tried"; echo "%s" >&2; exit %d; }; echo fine'
    docker.answers("*", second % ("client version 1.50 is too new. Maximum supported is 1.45", 1))
    assert WORKER.docker("info") == "fine"
    ssh.answers("*", second % ("kex_exchange_identification: Connection closed", 255))
    assert WORKER.check_shell("x") == "fine"
    docker.answers("*", "echo 'no space left' >&2; exit 1")
    assert WORKER.try_docker("load").status == 1
    assert len(docker.calls) == 3
    docker.answers("*", "echo 'Temporary failure in name resolution' >&2; exit 1")
    assert WORKER.try_docker("load").status == 1  # not for ever
    assert len(docker.calls) == 7


def test_a_machine_is_not_asked_by_too_many_at_once(docker: Program) -> None:
    docker.answers("*", "mkdir -p now; touch now/$$; ls now | wc -l; sleep 0.2; rm now/$$")
    with ThreadPoolExecutor(24) as pool:
        at_once = [int(text) for text in pool.map(lambda _: WORKER.docker("info"), range(24))]
    assert 2 <= max(at_once) <= conversations.MOST_AT_ONCE


def test_what_takes_too_long_is_told_with_its_machine(docker: Program) -> None:
    docker.answers("*", "sleep 60")
    with pytest.raises(process.CommandTimeout, match=r"^`docker info` on w1 did not end within 0"):
        WORKER.docker("info", timeout=0.2)


def test_a_tunnel_is_there_for_the_time_of_a_block(ssh: Program) -> None:
    ssh.answers("*", "echo $$ >pid; echo ready; exec cat >/dev/null", reads=False)
    with machines.tunnel(WORKER, 6000, 5017):
        child = Path("/proc", Path("pid").read_text().strip())
        assert child.exists()
    assert not child.exists()
    (call,) = ssh.calls
    assert call[call.index("-L") + 1] == "127.0.0.1:6000:127.0.0.1:5017"
    assert {"ExitOnForwardFailure=yes", "ControlPath=none"} <= set(call)


def test_a_tunnel_that_cannot_be_made(ssh: Program) -> None:
    ssh.answers("*", "exit 255", reads=False)
    with (
        pytest.raises(MachineError, match=r"w1 cannot be reached.*the tunnel could not be made"),
        machines.tunnel(WORKER, 6000, 5017),
    ):
        raise AssertionError("there is no tunnel")
    with (
        pytest.raises(ValueError, match="leads to another machine"),
        machines.tunnel(HEAD, 6000, 5017),
    ):
        raise AssertionError("there is no tunnel")

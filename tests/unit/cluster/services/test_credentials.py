"""The cluster's secrets, which only Docker knows."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.services import credentials
from cfiddle_slurm.cluster.services.credentials import ALL, MUNGE_KEY
from cfiddle_slurm.cluster.site import kit
from tests.unit.cluster.conftest import HEAD, Program

LIST = "secret ls --format={{.Name}}"


@pytest.fixture
def vault(docker: Program) -> Program:
    """An engine that keeps secrets' names in a file, one a line."""
    docker.answers(LIST, "cat secrets")
    docker.answers("secret create *", 'echo "$3" >>secrets')
    docker.answers("secret rm *", 'grep -vx "$3" secrets >left; mv left secrets')
    Path("secrets").touch()
    return docker


def known() -> set[str]:
    return set(Path("secrets").read_text().split())


def value(docker: Program, name: str) -> bytes:
    return docker.input_of("secret", "create", name, "-")


def test_each_missing_secret_is_made(vault: Program) -> None:
    assert credentials.missing(HEAD) == list(ALL)
    credentials.ensure(HEAD)
    assert known() == set(ALL)
    assert credentials.missing(HEAD) == []
    assert len(value(vault, MUNGE_KEY)) == 1024  # the longest that munged(8) takes
    texts = [value(vault, name) for name in ALL if name != MUNGE_KEY]
    assert all(len(text) == 48 and int(text, 16) for text in texts)


def test_no_secret_is_in_a_command_line(vault: Program) -> None:
    credentials.ensure(HEAD)
    lines = "\n".join(vault.lines)
    for name in ALL:
        assert value(vault, name).decode(errors="replace") not in lines
    made = [line for line in vault.lines if line != LIST]
    assert made == [f"secret create {name} -" for name in ALL]


def test_no_two_secrets_are_alike(vault: Program) -> None:
    credentials.ensure(HEAD)
    first = {value(vault, name) for name in ALL}
    assert len(first) == len(ALL)


def test_what_is_there_stays(vault: Program) -> None:
    Path("secrets").write_text(f"{MUNGE_KEY}\n{ALL[1]}_of_another_site\n")
    credentials.ensure(HEAD)
    assert [line.split()[2] for line in vault.lines if line != LIST] == list(ALL[1:])
    before = len(vault.lines)
    credentials.ensure(HEAD)
    assert vault.lines[before:] == [LIST]


def test_only_our_own_are_removed(vault: Program) -> None:
    credentials.ensure(HEAD)
    with Path("secrets").open("a") as stream:
        stream.write(f"another\n{MUNGE_KEY}_old\n")
    credentials.remove(HEAD)
    assert known() == {"another", f"{MUNGE_KEY}_old"}
    credentials.remove(HEAD)
    assert known() == {"another", f"{MUNGE_KEY}_old"}


def test_a_secret_in_use_is_told(vault: Program) -> None:
    credentials.ensure(HEAD)
    vault.answers("secret rm *", "echo 'secret is in use by a service' >&2; exit 1")
    with pytest.raises(MachineError, match="in use by a service"):
        credentials.remove(HEAD)


def test_the_services_ask_for_these_and_no_others() -> None:
    texts = [(kit.folder("cluster") / name).read_text() for name in ("stack.yml", "user.yml")]
    secrets = "".join(text.partition("\nsecrets:\n")[2] for text in texts)
    assert {line.split("name: ")[1].rstrip("}") for line in secrets.splitlines()} == set(ALL)
